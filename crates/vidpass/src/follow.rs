//! Keeps the gate's catalogue as its source says: the one place where changes are applied.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use vidpass_gate::{Catalogue, Gate};
use vidpass_store::{DatabaseUrl, Subject};
use vidpass_token::Chain;

use crate::clock;
use crate::source::{Source, SourceError};

/// How long to wait before asking a source again that did not answer. With the time that a first answer may take it is less
/// than the two seconds within which a gate follows again.
const RETRY: Duration = Duration::from_millis(300);

/// Follows a database, for as long as the process lives. It may not be there yet: until it is, the gate refuses everybody.
pub(crate) async fn follow_when_there(url: DatabaseUrl, gate: Arc<Gate>) {
    let mut outage = Outage::default();
    let source = loop {
        match Source::database(&url).await {
            Ok(source) => break source,
            Err(problem) => outage.pause(&problem).await,
        }
    };
    follow(source, gate).await;
}

/// Applies every change, for as long as the process lives. While the source is away, the gate goes on with what it has.
pub(crate) async fn follow(mut source: Source, gate: Arc<Gate>) {
    let mut outage = Outage::default();
    loop {
        let learned = match learn(&mut source, &gate).await {
            Ok(learned) => learned,
            Err(problem) => {
                outage.pause(&problem).await;
                continue;
            }
        };
        outage.end();
        if learned == Learned::Nothing {
            source.changed().await;
        }
    }
}

/// Whether there was anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    Nothing,
    /// There may be more.
    Something,
}

/// Asks the source once, and puts what it answers into the gate's catalogue.
///
/// # Errors
/// Where the source does not answer, and the gate is as before.
pub(crate) async fn learn(source: &mut Source, gate: &Gate) -> Result<Learned, SourceError> {
    if !gate.is_loaded() {
        return fill(source, gate).await;
    }
    let (asked, time) = (Instant::now(), clock::now());
    let news = match source.later().await {
        Err(problem) if problem.needs_snapshot() => {
            warn!(error = %Chain(&problem), "the change log does not lead on; the gate takes everything anew");
            return fill(source, gate).await;
        }
        news => news?,
    };
    let learned = if news.subjects.is_empty() { Learned::Nothing } else { Learned::Something };
    if learned == Learned::Something {
        info!(changes = news.subjects.len(), "the gate's catalogue follows its source");
        gate.update(|catalogue| news.subjects.into_iter().for_each(|subject| put(catalogue, subject)));
    }
    source.applied();
    if news.is_all {
        gate.heard(asked);
        source.is_all(gate, time);
    }
    Ok(learned)
}

/// Takes everything anew. Of what the gate held before the stricter stays.
async fn fill(source: &mut Source, gate: &Gate) -> Result<Learned, SourceError> {
    let (asked, time) = (Instant::now(), clock::now());
    let mut catalogue = Catalogue::default();
    source.all(|subject| put(&mut catalogue, subject)).await?;
    let loss = gate.replace(catalogue);
    if !loss.is_nothing() {
        warn!(
            keys = loss.keys,
            videos = loss.videos,
            accounts = loss.accounts,
            revocations = loss.revocations,
            "the store forgot what it had forbidden; this gate goes on refusing it"
        );
    }
    source.applied();
    gate.heard(asked);
    source.is_all(gate, time);
    Ok(Learned::Something)
}

/// Applies one change.
pub(crate) fn put(catalogue: &mut Catalogue, subject: Subject) {
    match subject {
        Subject::Account(id, policy) => catalogue.insert_account(id, policy),
        Subject::Key(id, Some((account, public))) => catalogue.insert_key(id, account, public),
        Subject::Key(id, None) => catalogue.remove_key(&id),
        Subject::Revocation(mark, taken) => catalogue.set_revocations(mark, taken),
        Subject::Video(uid, Some(policy)) => catalogue.insert_video(uid, policy),
        Subject::Video(uid, None) => catalogue.remove_video(&uid),
    }
}

/// A source that does not answer, and why, as far as the log says it: the same reason is not written three times a second.
#[derive(Default)]
struct Outage(Option<String>);

impl Outage {
    async fn pause(&mut self, problem: &SourceError) {
        let reason = Chain(problem).to_string();
        if self.0.as_ref() != Some(&reason) {
            error!(
                error = reason,
                "the gate's source does not answer; the gate goes on with what it has, and asks again"
            );
            self.0 = Some(reason);
        }
        tokio::time::sleep(RETRY).await;
    }

    fn end(&mut self) {
        if self.0.take().is_some() {
            info!("the gate's source answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use vidpass_gate::GateConfig;
    use vidpass_store::{DatabaseUrl, MasterKey, NewAccount, NewVideo, Store};
    use vidpass_token::UnixTime;

    use super::*;

    #[tokio::test]
    async fn the_store_is_heard_where_it_has_changes_and_where_it_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
        let store = Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap();
        let gate = Gate::new(GateConfig::default(), &mut Registry::default());
        let mut source = Source::database(&url).await.unwrap();
        learn(&mut source, &gate).await.unwrap();
        let now = UnixTime(1_800_000_000);
        let account = store.create_account(&NewAccount::default(), now).await.unwrap().id;
        for (changes, expected) in [(true, Learned::Something), (false, Learned::Nothing)] {
            if changes {
                store.register_video(&account, NewVideo::private(None), now).await.unwrap();
            }
            let silent = Duration::from_millis(500);
            tokio::time::sleep(silent).await;
            assert!(gate.silence() >= silent);
            assert_eq!(learn(&mut source, &gate).await.unwrap(), expected);
            assert!(gate.silence() < silent, "changes: {changes}");
        }
    }
}
