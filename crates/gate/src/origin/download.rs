//! Downloads that viewers share: however many ask for one file at once, its origin is asked once.
//!
//! A download is a task of its own. It puts what comes into memory, where each viewer reads at their own speed; one that
//! leaves takes nothing from the others. When nobody is left and nobody keeps the file, it stops. Once the file is kept,
//! viewers read on from there, so that a slow one holds no memory.

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::blocks::{Blocks, in_memory};
use super::content::Found;
use super::error::FetchError;
use super::head::Head;
use super::memory::Memory;
use super::transfer::Transfer;
use crate::body::Piece;
use crate::body::SharedFile;
use crate::deny::Failure;

/// How many files that nobody keeps there is room for at least: a few slow viewers are not to hold all of it.
const FEWEST: u64 = 16;

/// The downloads that are running.
pub(super) struct Downloads {
    running: Mutex<HashMap<Box<str>, Arc<Download>>>,
    memory: Memory,
    max_kept: u64,
    max_unkept: u64,
}

/// One of them. Its viewers are the receivers.
pub(super) struct Download(watch::Sender<State>);

/// How far it is.
pub(super) struct State {
    stage: Stage,
    /// From [`Stage::Running`] on.
    head: Option<Head>,
    /// What is there of the file.
    blocks: Blocks,
    /// Held for as long as anybody holds the blocks.
    _memory: Option<OwnedSemaphorePermit>,
}

enum Stage {
    /// The origin has not answered.
    Asking,
    /// There is no such file, or no way to get it.
    Failed(Failure),
    /// It cannot be shared: one viewer takes it, the others ask for themselves.
    Alone(Mutex<Option<Found>>),
    /// More bytes will come.
    Running,
    /// All bytes are there.
    Ended,
    /// All bytes are there, and on a disk.
    Kept(Arc<SharedFile>),
    /// No more bytes will come, although some are missing.
    BrokenOff(Arc<FetchError>),
}

/// See [`Downloads::joinable`].
pub(super) struct Joinable<'a> {
    downloads: &'a Downloads,
    key: &'a str,
    download: &'a Arc<Download>,
}

/// What a viewer gets of a shared download.
pub(super) enum Share {
    /// The origin is to be asked again, for this viewer alone.
    AskAlone,
    Failed(Failure),
    /// The download, and nobody else has it.
    Mine(Found),
    /// Bytes as they come.
    Ours(Head, Reader),
}

/// One viewer's place in a shared download.
pub(crate) struct Reader {
    state: watch::Receiver<State>,
    /// What is still to be read.
    range: Range<u64>,
}

impl Downloads {
    /// Shares files of up to `max_object` bytes while they use no more than `max_shared` bytes of memory together.
    pub(super) fn new(max_shared: u64, max_object: u64) -> Self {
        let (running, memory) = (Mutex::default(), Memory::of(max_shared));
        Self { running, memory, max_kept: max_object, max_unkept: max_object.min(max_shared / FEWEST) }
    }

    /// The running download of `key`, or a new one, which `start` makes a task of. Whether it is new is told too.
    pub(super) fn join(&self, key: &str, start: impl FnOnce(Arc<Download>)) -> (watch::Receiver<State>, bool) {
        let mut running = self.lock();
        if let Some(download) = running.get(key).filter(|download| download.may_end_well()) {
            return (download.0.subscribe(), false);
        }
        let state = State { stage: Stage::Asking, head: None, blocks: Blocks::default(), _memory: None };
        let (sender, receiver) = watch::channel(state);
        let download = Arc::new(Download(sender));
        running.insert(key.into(), Arc::clone(&download));
        start(download);
        (receiver, true)
    }

    /// Keeps viewers joining until what this returns is dropped, be it by a panic. Who comes then finds the file in the
    /// cache, or asks anew.
    pub(super) fn joinable<'a>(&'a self, key: &'a str, download: &'a Arc<Download>) -> Joinable<'a> {
        Joinable { downloads: self, key, download }
    }

    /// Does `work` for `download`, but no longer than anybody waits for it.
    pub(super) async fn while_wanted(&self, key: &str, download: &Download, work: impl Future<Output = ()>) {
        tokio::select! {
            () = work => {}
            () = self.abandoned(key, download) => {}
        }
    }

    /// Resolves when nobody is left, and nobody can come any more.
    async fn abandoned(&self, key: &str, download: &Download) {
        loop {
            download.0.closed().await;
            // Viewers join under the same lock, so none comes between the look and the removal.
            let mut running = self.lock();
            if download.0.receiver_count() == 0 {
                running.remove(key);
                return;
            }
        }
    }

    /// Memory for `head`'s file for as long as its slowest viewer reads, where it is small enough and there is room.
    pub(super) fn reserve(&self, head: &Head) -> Option<OwnedSemaphorePermit> {
        self.memory.take(head.length).filter(|_| head.length <= self.max_unkept)
    }

    /// The same until the file is kept. That takes no longer than its origin sends, so it may be larger.
    pub(super) fn reserve_until_kept(&self, head: &Head) -> Option<OwnedSemaphorePermit> {
        self.memory.take(head.length).filter(|_| head.length <= self.max_kept)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Download>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Joinable<'_> {
    fn drop(&mut self) {
        let mut running = self.downloads.lock();
        if running.get(self.key).is_some_and(|current| Arc::ptr_eq(current, self.download)) {
            running.remove(self.key);
        }
    }
}

impl Download {
    fn may_end_well(&self) -> bool {
        match self.0.borrow().stage {
            Stage::Asking | Stage::Alone(_) | Stage::Running | Stage::Ended | Stage::Kept(_) => true,
            Stage::Failed(_) | Stage::BrokenOff(_) => false,
        }
    }

    pub(super) fn fail(&self, failure: Failure) {
        self.0.send_modify(|state| state.stage = Stage::Failed(failure));
    }

    pub(super) fn hand_over(&self, found: Found) {
        self.0.send_modify(|state| state.stage = Stage::Alone(Mutex::new(Some(found))));
    }

    /// Passes everything on to the viewers; `None` where the origin broke off.
    pub(super) async fn run(&self, head: Head, mut from: Transfer, memory: OwnedSemaphorePermit) -> Option<Vec<Bytes>> {
        self.0.send_modify(|state| {
            state.stage = Stage::Running;
            state.blocks = Blocks::of(head.length);
            state.head = Some(head);
            state._memory = Some(memory);
        });
        loop {
            match from.chunk().await {
                Ok(Some(chunk)) => self.0.send_modify(|state| state.blocks.add(&chunk)),
                Ok(None) => break,
                Err(error) => {
                    self.0.send_modify(|state| state.stage = Stage::BrokenOff(Arc::new(error)));
                    return None;
                }
            }
        }
        let mut all = Vec::new();
        self.0.send_modify(|state| {
            state.blocks.end();
            all = state.blocks.full().to_vec();
            state.stage = Stage::Ended;
        });
        Some(all)
    }

    /// Lets go of the memory: all bytes are in `file`, where viewers read on.
    pub(super) fn read_on_from(&self, file: File, length: u64) {
        self.0.send_modify(|state| {
            state.stage = Stage::Kept(SharedFile::new(file, length));
            state.blocks = Blocks::default();
            state._memory = None;
        });
    }
}

/// Waits until the origin has answered.
pub(super) async fn share(mut viewer: watch::Receiver<State>) -> Share {
    let head = match viewer.wait_for(|state| !matches!(state.stage, Stage::Asking)).await {
        Ok(state) => match (&state.stage, &state.head) {
            (Stage::Failed(failure), _) => return Share::Failed(*failure),
            (Stage::Alone(found), _) => {
                let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
                return found.map_or(Share::AskAlone, Share::Mine);
            }
            (Stage::Running | Stage::Ended | Stage::Kept(_) | Stage::BrokenOff(_), Some(head)) => head.clone(),
            (Stage::Asking | Stage::Running | Stage::Ended | Stage::Kept(_) | Stage::BrokenOff(_), _) => {
                return Share::AskAlone;
            }
        },
        Err(_) => return Share::AskAlone,
    };
    let range = 0..head.length;
    Share::Ours(head, Reader { state: viewer, range })
}

impl Reader {
    /// The same place, for the bytes of `range` alone.
    pub(super) fn of(self, range: Range<u64>) -> Self {
        Self { range, ..self }
    }

    /// What comes next; `None` after the last bytes.
    pub(crate) async fn piece(&mut self) -> Result<Option<Piece>, Arc<FetchError>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let mut piece = self.next().await?;
        if let Piece::Bytes(bytes) = &mut piece {
            bytes.truncate(in_memory(self.range.end - self.range.start));
            self.range.start += bytes.len() as u64;
        }
        Ok(Some(piece))
    }

    async fn next(&mut self) -> Result<Piece, Arc<FetchError>> {
        let Range { start, end } = self.range;
        let more = |state: &State| !matches!(state.stage, Stage::Running) || state.blocks.has(start);
        let state = self.state.wait_for(more).await.map_err(|_| Arc::new(FetchError::Stopped))?;
        match (&state.stage, state.blocks.from(start)) {
            (Stage::Kept(file), _) => Ok(Piece::Rest(Arc::clone(file), start..end)),
            (_, Some(bytes)) => Ok(Piece::Bytes(bytes)),
            (Stage::BrokenOff(error), None) => Err(Arc::clone(error)),
            (Stage::Asking | Stage::Failed(_) | Stage::Alone(_) | Stage::Running | Stage::Ended, None) => {
                Err(Arc::new(FetchError::Stopped))
            }
        }
    }
}
