//! What a gate was told, kept on disk: one that starts again while its issuer is away goes on for what is left of its lease.
//!
//! Two files: the state, and beside it, small and written often, when that state was last confirmed.

use std::io::{self, BufRead as _, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info};
use vidpass_api_types::GateLine;
use vidpass_gate::{Catalogue, Gate};
use vidpass_store::Subject;
use vidpass_token::{Chain, UnixTime};
use zeroize::Zeroizing;

use super::sealed::{self, FileSalt, Purpose};
use super::{Feed, subject};
use crate::clock;
use crate::follow::put;

/// How far two writes are apart at least; and they take a tenth of the time at most. What was taken back is written at once.
const PAUSE: Duration = Duration::from_secs(2);
const SHARE: u32 = 10;

/// What a gate knows, how far that is, and when the issuer last said that this is all.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) cursor: String,
    pub(crate) heard: UnixTime,
    /// How often the issuer said that something was taken back.
    pub(crate) taken_back: usize,
}

/// What is in the file of the state before everything else.
#[derive(Serialize, Deserialize)]
struct Head {
    cursor: String,
    heard: i64,
}

/// A line of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// As the issuer says.
    Said(GateLine),
    /// What was taken back, and the issuer no longer knows it.
    Lost(GateLine),
}

/// When the state of the file with this salt was last confirmed.
#[derive(Serialize, Deserialize)]
struct LastWord {
    of: FileSalt,
    heard: i64,
}

/// The files of one gate.
pub(crate) struct Kept {
    file: PathBuf,
    credential: Zeroizing<String>,
}

impl Kept {
    pub(crate) fn new(file: PathBuf, credential: &Zeroizing<String>) -> Self {
        Self { file, credential: credential.clone() }
    }

    /// Fills the gate with what was kept, and lets the feed go on from there. Where nothing can be used, the gate waits for
    /// the issuer.
    pub(crate) fn put_back(&self, feed: &mut Feed, gate: &Gate) {
        match self.read() {
            Ok(State { catalogue, cursor, heard, taken_back: _ }) => {
                // A clock that went back must not lengthen the lease: a time to come is no time. Both times lack their fractions.
                let seconds = u64::try_from(heard.seconds_until(clock::now())).ok();
                let silence = seconds.map(|seconds| Duration::from_secs(seconds.saturating_add(1)));
                info!(silence = ?silence, "the gate goes on from what it kept");
                gate.replace(Catalogue::clone(&catalogue));
                gate.heard_before(silence);
                feed.go_on_from(cursor);
            }
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
            Err(problem) => {
                let file = self.file.display();
                error!(%file, error = %Chain(&problem), "what the gate kept cannot be used; it waits for the issuer");
            }
        }
    }

    fn read(&self) -> io::Result<State> {
        let (text, salt) = sealed::open(&self.file, &self.credential, Purpose::Snapshot)?;
        let mut lines = BufReader::new(text).lines();
        let head: Head = serde_json::from_str(&lines.next().unwrap_or_else(|| Ok(String::new()))?)?;
        let mut catalogue = Catalogue::default();
        for line in lines {
            put_back(&mut catalogue, serde_json::from_str(&line?)?)?;
        }
        let heard = self.last_word(salt).unwrap_or(head.heard).max(head.heard);
        Ok(State { catalogue: Arc::new(catalogue), cursor: head.cursor, heard: UnixTime(heard), taken_back: 0 })
    }

    /// What the small file says of the state with this salt; one that cannot be used says nothing.
    fn last_word(&self, salt: FileSalt) -> Option<i64> {
        let (text, _) = sealed::open(&self.word_file(), &self.credential, Purpose::LastWord).ok()?;
        let word: LastWord = serde_json::from_reader(text).ok()?;
        (word.of == salt).then_some(word.heard)
    }

    fn word_file(&self) -> PathBuf {
        let mut name = self.file.as_os_str().to_owned();
        name.push(".last-word");
        name.into()
    }

    fn write(&self, state: &State) -> io::Result<FileSalt> {
        sealed::write(&self.file, (&self.credential, Purpose::Snapshot), |to| {
            let head = Head { cursor: state.cursor.clone(), heard: state.heard.0 };
            write_line(to, &head)?;
            said(&state.catalogue).try_for_each(|line| write_line(to, &line))
        })
    }

    fn write_last_word(&self, of: FileSalt, heard: UnixTime) -> io::Result<()> {
        let word = LastWord { of, heard: heard.0 };
        sealed::write(&self.word_file(), (&self.credential, Purpose::LastWord), |to| write_line(to, &word)).map(|_| ())
    }
}

/// Writes each state that comes, as far as there is time, for as long as the process lives.
pub(crate) async fn keep(kept: Kept, mut states: watch::Receiver<Option<State>>) {
    let kept = Arc::new(kept);
    let mut written: Option<(FileSalt, String)> = None;
    while states.changed().await.is_ok() {
        let Some(state) = states.borrow_and_update().clone() else { continue };
        let (files, before, began) = (Arc::clone(&kept), written.take(), Instant::now());
        let taken_back = state.taken_back;
        match tokio::task::spawn_blocking(move || files.keep(&state, before)).await {
            Ok(Ok(now)) => written = Some(now),
            Ok(Err(problem)) => error!(error = %Chain(&problem), "what the gate was told cannot be kept"),
            Err(problem) => error!(error = %problem, "what the gate was told cannot be kept"),
        }
        let is_urgent = |state: &Option<State>| state.as_ref().is_some_and(|state| state.taken_back > taken_back);
        let pause = PAUSE.max(began.elapsed() * SHARE);
        if timeout(pause, states.wait_for(is_urgent)).await.is_ok_and(|waited| waited.is_err()) {
            break;
        }
        // What came meanwhile was seen and not written.
        states.mark_changed();
    }
    // The feed is gone, which ends the server; so must not this.
    std::future::pending::<()>().await;
}

impl Kept {
    /// Writes the state, or where that was written, when it was confirmed.
    fn keep(&self, state: &State, written: Option<(FileSalt, String)>) -> io::Result<(FileSalt, String)> {
        match written {
            Some((salt, cursor)) if cursor == state.cursor => {
                self.write_last_word(salt, state.heard)?;
                Ok((salt, cursor))
            }
            _ => Ok((self.write(state)?, state.cursor.clone())),
        }
    }
}

fn write_line(to: &mut (impl Write + ?Sized), line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// What was deleted first: a key that was deleted stays so.
fn said(catalogue: &Catalogue) -> impl Iterator<Item = Line> {
    let deleted_keys = catalogue.deleted_keys().map(|id| Subject::Key(id.clone(), None));
    let deleted_videos = catalogue.deleted_videos().map(|uid| Subject::Video(uid.clone(), None));
    let keys =
        catalogue.keys().map(|(id, account, key)| Subject::Key(id.clone(), Some((account.clone(), key.clone()))));
    let videos = catalogue.videos().map(|(uid, policy)| Subject::Video(uid.clone(), Some(policy.clone())));
    let accounts = catalogue.accounts().map(|(id, policy)| Subject::Account(id.clone(), policy.clone()));
    let revocations = catalogue.revocations().map(|(mark, taken)| Subject::Revocation(*mark, taken.into()));
    let lost = catalogue.lost_revocations().map(|(mark, taken)| Subject::Revocation(*mark, taken.into()));
    let said = deleted_keys.chain(deleted_videos).chain(keys).chain(videos).chain(accounts).chain(revocations);
    said.map(|subject| Line::Said(vidpass_api::gate_line(subject)))
        .chain(lost.map(|subject| Line::Lost(vidpass_api::gate_line(subject))))
}

fn put_back(catalogue: &mut Catalogue, line: Line) -> io::Result<()> {
    let subject = |line| subject::of_line(line).map_err(io::Error::other);
    match line {
        Line::Said(line) => put(catalogue, subject(line)?),
        Line::Lost(line) => match subject(line)? {
            Subject::Revocation(mark, taken) => catalogue.insert_lost_revocations(mark, taken),
            Subject::Account(..) | Subject::Key(..) | Subject::Video(..) => {
                return Err(io::Error::other("only revocations are lost"));
            }
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vidpass_token::{RevocationExtent, RevocationMark, Taken, VideoPolicy};

    use super::*;

    #[test]
    fn what_was_kept_comes_back_with_the_last_word_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().join("s"), &Zeroizing::new("secret".to_owned()));
        assert_eq!(kept.read().map(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
        let written = kept.keep(&state("7.a", 100), None).unwrap();
        check(&kept, "7.a", 100);
        let written = kept.keep(&state("7.a", 110), Some(written)).unwrap();
        check(&kept, "7.a", 110);
        let word = std::fs::read(kept.word_file()).unwrap();
        kept.keep(&state("8.b", 105), Some(written)).unwrap();
        check(&kept, "8.b", 105);
        std::fs::write(kept.word_file(), &word[1..]).unwrap();
        check(&kept, "8.b", 105);
        let other = Kept::new(kept.file, &Zeroizing::new("other".to_owned()));
        let problem = other.read().map(|_| ()).unwrap_err();
        assert!(Chain(&problem).to_string().contains("sealed with another credential"), "{problem}");
    }

    /// The clock stands, and the runtime has work: only what does not wait for time is done.
    #[tokio::test(start_paused = true)]
    async fn what_is_taken_back_is_written_at_once_and_all_else_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || Kept::new(folder.path().join("s"), &Zeroizing::new("secret".to_owned()));
        let is_written = |cursor: &str| kept().read().is_ok_and(|state| state.cursor == cursor);
        let until_written = async |cursor| {
            let started = Instant::now();
            while !is_written(cursor) {
                assert!(started.elapsed() < Duration::from_secs(30), "{cursor} is not written");
                tokio::task::yield_now().await;
            }
        };
        let (keeper, states) = watch::channel(None);
        let keeping = tokio::spawn(keep(kept(), states));
        keeper.send_replace(Some(state("1.a", 100)));
        until_written("1.a").await;
        keeper.send_replace(Some(State { taken_back: 1, ..state("2.b", 101) }));
        until_written("2.b").await;
        keeper.send_replace(Some(State { taken_back: 1, ..state("3.c", 102) }));
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(!is_written("3.c"));
        // Again and again: the pause begins when the write is over, which may be later than the file's appearance.
        let clock = tokio::spawn(async {
            loop {
                tokio::time::advance(PAUSE).await;
            }
        });
        until_written("3.c").await;
        clock.abort();
        keeping.abort();
    }

    #[track_caller]
    fn check(kept: &Kept, cursor: &str, heard: i64) {
        let state = kept.read().unwrap();
        assert_eq!((state.cursor.as_str(), state.heard.0), (cursor, heard));
        let catalogue = state.catalogue;
        assert_eq!(catalogue.deleted_keys().map(ToString::to_string).collect::<Vec<_>>(), ["gone"]);
        assert_eq!(
            (catalogue.videos().count(), catalogue.deleted_videos().count(), catalogue.accounts().count()),
            (1, 1, 1)
        );
        assert_eq!((catalogue.revocations().count(), catalogue.lost_revocations().count()), (1, 1));
    }

    fn state(cursor: &str, heard: i64) -> State {
        let mut catalogue = Catalogue::default();
        let taken = [Taken { extent: RevocationExtent::All, until: None }];
        let mark = |digit: &str| RevocationMark::from_hex(&digit.repeat(32)).unwrap();
        catalogue.remove_key(&"gone".parse().unwrap());
        catalogue.remove_video(&"old".parse().unwrap());
        catalogue.insert_video("v1".parse().unwrap(), VideoPolicy::private("a1".parse().unwrap()));
        catalogue.insert_account("a1".parse().unwrap(), None);
        catalogue.set_revocations(mark("1"), taken.into());
        catalogue.insert_lost_revocations(mark("2"), taken.into());
        State { catalogue: Arc::new(catalogue), cursor: cursor.to_owned(), heard: UnixTime(heard), taken_back: 0 }
    }
}
