//! Files that were opened a moment ago, for whoever asks for the same ones now.
//!
//! To find a segment's way through its folders, to open it and to close it again takes longer than to decide who may have it. A
//! file that was written to, replaced or deleted since is noticed at once, by its own state. Where a link or a folder on the way
//! leads elsewhere now, that is noticed after [`FRESH`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::folder::OpenFile;

/// For how long a file is given out again.
const FRESH: Duration = Duration::from_millis(100);

/// How many are kept at most. They count among the descriptors that a server keeps for itself.
const MOST: usize = 128;

/// How often those are let go of that nobody asked for again: a deleted file takes room on its disk until then.
const SWEEP: Duration = Duration::from_secs(1);

/// A clone is the same.
#[derive(Clone)]
pub(super) struct OpenFiles(Arc<Kept>);

struct Kept {
    /// By the origin's folder, the video's and the path within it.
    files: Cache<String, (Arc<OpenFile>, Instant)>,
    is_swept: AtomicBool,
}

impl OpenFiles {
    pub(super) fn new() -> Self {
        Self(Arc::new(Kept { files: Cache::new(MOST), is_swept: AtomicBool::new(false) }))
    }

    pub(super) fn get(&self, place: &str) -> Option<Arc<OpenFile>> {
        let (file, _) = self.0.files.get(place).filter(is_fresh)?;
        file.is_as_it_was().then_some(file)
    }

    pub(super) fn keep(&self, place: String, file: &Arc<OpenFile>) {
        // Without a runtime nobody would let go of it.
        let Ok(runtime) = Handle::try_current() else { return };
        self.0.files.insert(place, (Arc::clone(file), Instant::now()));
        if !self.0.is_swept.swap(true, Ordering::SeqCst) {
            runtime.spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

fn is_fresh((_, since): &(Arc<OpenFile>, Instant)) -> bool {
    since.elapsed() < FRESH
}

/// Goes on until there is nothing left.
async fn sweep(kept: Weak<Kept>) {
    loop {
        sleep(SWEEP).await;
        let Some(kept) = kept.upgrade() else { return };
        kept.files.retain(|_, file| is_fresh(file));
        if kept.files.is_empty() {
            kept.is_swept.store(false, Ordering::SeqCst);
            // What came in between is swept by another.
            if kept.files.is_empty() || kept.is_swept.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_is_given_out_again_for_a_moment_and_then_let_go_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "old").unwrap();
        let opened = Arc::new(OpenFile::new(fs::File::open(&path).unwrap(), "v/x".into()).unwrap());
        let (files, weak) = (OpenFiles::new(), Arc::downgrade(&opened));
        assert!(files.get("v/x").is_none());
        files.keep("v/x".to_owned(), &opened);
        drop(opened);
        assert!(Arc::ptr_eq(&files.get("v/x").unwrap(), &weak.upgrade().unwrap()));
        assert!(files.get("v/y").is_none());
        fs::write(&path, "newer").unwrap();
        assert!(files.get("v/x").is_none(), "it was written to");
        std::thread::sleep(FRESH);
        assert!(weak.upgrade().is_some());
        sleep(SWEEP * 2).await;
        assert!(weak.upgrade().is_none(), "nobody asked for it again");
    }
}
