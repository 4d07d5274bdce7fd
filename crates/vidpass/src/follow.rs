//! Keeps the gate's catalogue as the store's change log says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};
use vidpass_gate::{Catalogue, Gate};
use vidpass_store::{CHANGES_AT_ONCE, Cursor, Follower, Store, StoreError, Subject};
use vidpass_token::Chain;

/// How long to wait before asking a store again that did not answer.
const RETRY: Duration = Duration::from_millis(300);

/// Fills the gate's catalogue from the store. Of what it held before the stricter stays.
///
/// # Errors
/// [`StoreError`]: a gate that never saw the store must not start with an empty catalogue.
pub(crate) async fn fill(store: &Store, gate: &Gate) -> Result<Cursor, StoreError> {
    let asked = Instant::now();
    let snapshot = store.snapshot().await?;
    let mut catalogue = Catalogue::default();
    for id in &snapshot.deleted_keys {
        catalogue.remove_key(id);
    }
    for uid in &snapshot.deleted_videos {
        catalogue.remove_video(uid);
    }
    for (id, account, public) in snapshot.keys {
        catalogue.insert_key(id, account, public);
    }
    for (uid, policy) in snapshot.videos {
        catalogue.insert_video(uid, policy);
    }
    for (id, policy) in snapshot.accounts {
        catalogue.insert_account(id, policy);
    }
    for (mark, taken) in snapshot.revocations {
        catalogue.set_revocations(mark, taken);
    }
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
    gate.heard(asked);
    Ok(snapshot.cursor)
}

/// Applies every later change, for as long as the process lives. While the store is away, the gate goes on with what
/// it has.
pub(crate) async fn follow(store: Store, gate: Arc<Gate>, mut follower: Follower, mut seen: Cursor) {
    follower.applied(seen.seq());
    loop {
        match apply_later_than(seen, &store, &gate).await {
            Ok(latest) if latest == seen => follower.changed().await,
            Ok(latest) => {
                seen = latest;
                follower.applied(seen.seq());
            }
            Err(problem) => {
                error!(error = %Chain(&problem), "the change log cannot be read; the gate goes on with what it has");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn apply_later_than(seen: Cursor, store: &Store, gate: &Gate) -> Result<Cursor, StoreError> {
    let asked = Instant::now();
    let changes = match store.changes_since(seen).await {
        Err(problem) if problem.needs_snapshot() => {
            warn!(error = %Chain(&problem), "the change log does not lead on; the gate takes everything anew");
            return fill(store, gate).await;
        }
        changes => changes?,
    };
    let more_may_wait = changes.len() == CHANGES_AT_ONCE;
    let Some(latest) = changes.last().map(|change| change.cursor) else {
        gate.heard(asked);
        return Ok(seen);
    };
    info!(changes = changes.len(), seq = %latest.seq(), "the gate's catalogue follows the store");
    gate.update(|catalogue| {
        for change in &changes {
            match &change.subject {
                Subject::Account(id, policy) => catalogue.insert_account(id.clone(), policy.clone()),
                Subject::Key(id, Some((account, public))) => {
                    catalogue.insert_key(id.clone(), account.clone(), public.clone());
                }
                Subject::Key(id, None) => catalogue.remove_key(id),
                Subject::Revocation(mark, taken) => catalogue.set_revocations(*mark, taken.clone()),
                Subject::Video(uid, Some(policy)) => catalogue.insert_video(uid.clone(), policy.clone()),
                Subject::Video(uid, None) => catalogue.remove_video(uid),
            }
        }
    });
    if !more_may_wait {
        gate.heard(asked);
    }
    Ok(latest)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use vidpass_gate::GateConfig;
    use vidpass_store::{DatabaseUrl, MasterKey, NewAccount, NewVideo};
    use vidpass_token::UnixTime;

    use super::*;

    #[tokio::test]
    async fn the_store_is_heard_where_it_has_changes_and_where_it_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(folder.path().join("vidpass.db"));
        let store = Store::create_or_open(&url, &MasterKey::generate().unwrap()).await.unwrap();
        let gate = Gate::new(GateConfig::default(), &mut Registry::default());
        let mut seq = fill(&store, &gate).await.unwrap();
        let now = UnixTime(1_800_000_000);
        let account = store.create_account(&NewAccount::default(), now).await.unwrap().id;
        for changes in [true, false] {
            if changes {
                store.register_video(&account, NewVideo::private(None), now).await.unwrap();
            }
            let silent = Duration::from_millis(500);
            tokio::time::sleep(silent).await;
            assert!(gate.silence() >= silent);
            let latest = apply_later_than(seq, &store, &gate).await.unwrap();
            assert_eq!(latest != seq, changes);
            assert!(gate.silence() < silent, "changes: {changes}");
            seq = latest;
        }
    }
}
