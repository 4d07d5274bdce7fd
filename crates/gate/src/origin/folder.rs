//! A folder with a folder of its own for each video: by default one for each account, and in that one for each video.
//!
//! An account names its videos itself, so a folder that is not its own must be out of its reach.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use vidpass_token::{AccountId, Chain, FilePath, Permit, VideoId};

use super::open_files::OpenFiles;
use super::template::PathTemplate;
use crate::body::SharedFile;
use crate::deny::Failure;
use crate::serve::conditional::EntityTag;

/// How often an opening is tried again that a concurrent rename made uncertain (`openat2(2)`, `EAGAIN`).
const ATTEMPTS: usize = 8;

/// How long the place of a file is expected to be, in bytes.
const TYPICAL_PLACE: usize = 128;

/// Which ways to a file are taken.
#[derive(Clone, Copy)]
enum Way {
    /// Any.
    Any,
    /// One that the kernel has in memory as a whole (`openat2(2)`, `RESOLVE_CACHED`).
    Known,
}

/// `<folder>/<account>/<uid>/<path>`, or what the template says.
///
/// The folder is opened once; whoever replaces it by another one of the same name restarts the program.
pub(crate) struct FolderOrigin {
    root: Arc<OwnedFd>,
    files: OpenFiles,
    path: Box<Path>,
    videos: PathTemplate,
}

/// Why a folder of videos cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {} as a folder of videos", .path.display())]
pub struct FolderError {
    /// The folder.
    path: PathBuf,
    /// Why.
    source: io::Error,
}

/// Where a file is: the descriptor of the folder of all videos, the video's own folder, the path in that.
struct Place {
    text: String,
    /// Where the video's folder stands in it.
    folder: Range<usize>,
}

/// A file of a video, open for reading. A clone is the same file.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(super) file: Arc<SharedFile>,
    pub(super) metadata: Metadata,
    pub(super) etag: EntityTag,
    /// What was made of it, for all who ask while it is as it was.
    pub(crate) made: OnceLock<Made>,
    /// The video's folder and the path within it, for logs.
    pub(super) name: Arc<str>,
}

/// What was made of a whole file for the viewers of one video.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) account: AccountId,
    pub(crate) video: VideoId,
    pub(crate) bytes: Bytes,
    pub(crate) etag: EntityTag,
}

impl OpenFile {
    pub(super) fn new(file: File, name: Arc<str>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let etag = EntityTag::of_file((metadata.mtime(), metadata.mtime_nsec()), metadata.size(), metadata.ino());
        Ok(Self { file: SharedFile::new(file, metadata.size()), metadata, etag, name, made: OnceLock::new() })
    }

    /// All bytes, where they are `max` at most and in the page cache.
    pub(crate) fn read_at_once(&self, max: u64) -> Option<Bytes> {
        let length = Some(self.metadata.size()).filter(|length| *length <= max)?;
        self.file.read_at_once(0..length).filter(|bytes| bytes.len() as u64 == length)
    }

    /// Whether nobody wrote to it, cut it short, or took its name away since. (Times alone may be of one tick of the kernel's clock.)
    pub(super) fn is_as_it_was(&self) -> bool {
        let times = |of: &Metadata| [of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()];
        let state = |of: &Metadata| (of.size(), of.nlink(), times(of));
        self.file.metadata().is_ok_and(|now| state(&now) == state(&self.metadata))
    }
}

/// Why a file of a video could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot open {name}")]
    Failed { name: Arc<str>, source: io::Error },
    /// There is nothing of this name, or it is a folder, a pipe, a socket or a device.
    #[error("{name} is not there, or not a regular file")]
    NoFile { name: Arc<str> },
    /// A symbolic link on the way leads out of the video's folder, or in circles, or is that folder itself.
    #[error("a symbolic link of {name} leads out of the video's folder")]
    Outside { name: Arc<str> },
}

impl OpenError {
    /// What the viewer gets. Logs what they do not learn.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::NoFile { .. } => Failure::NotFound,
            Self::Outside { .. } => {
                tracing::warn!(error = %Chain(self), "a file is not served");
                Failure::NotFound
            }
            Self::Failed { .. } => {
                tracing::error!(error = %Chain(self), "a file cannot be opened");
                Failure::FileUnreadable
            }
        }
    }
}

impl Place {
    fn folder(&self) -> &str {
        &self.text[self.folder.clone()]
    }

    /// The video's folder and the path within it.
    fn name(&self) -> &str {
        &self.text[self.folder.start..]
    }
}

impl FolderOrigin {
    /// Opens the folder; `videos` says where in it each video is.
    ///
    /// # Errors
    /// [`FolderError`] where it is not a folder, cannot be read, or the system lacks `openat2` (Linux before 5.6).
    pub(super) fn open(path: &Path, videos: PathTemplate, files: OpenFiles) -> Result<Self, FolderError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty()).and_then(|root| {
            openat2(&root, c".", flags, Mode::empty(), ResolveFlags::BENEATH)?;
            Ok(Arc::new(root))
        });
        let root = root.map_err(|error| FolderError { path: path.to_owned(), source: error.into() })?;
        Ok(Self { root, files, path: path.into(), videos })
    }

    /// A file of the permitted video that was opened now or a moment ago: see [`OpenFiles`].
    pub(crate) async fn recent_file(&self, permit: &Permit, file: FilePath<'_>) -> Result<Arc<OpenFile>, OpenError> {
        if let Some(opened) = self.file_at_once(permit, file) {
            return Ok(opened);
        }
        let place = self.place(permit, file);
        let opened = Arc::new(self.open_in_any_way(place.folder().to_owned(), file, place.name().into()).await?);
        self.files.keep(place.text, &opened);
        Ok(opened)
    }

    /// The same where no disk has to be waited for.
    pub(crate) fn file_at_once(&self, permit: &Permit, file: FilePath<'_>) -> Option<Arc<OpenFile>> {
        let place = self.place(permit, file);
        if let Some(opened) = self.files.get(&place.text) {
            return Some(opened);
        }
        let opened = open(&self.root, place.folder(), file.as_str(), place.name().into(), Way::Known).ok()?;
        let opened = Arc::new(opened);
        self.files.keep(place.text, &opened);
        Some(opened)
    }

    fn place(&self, permit: &Permit, file: FilePath<'_>) -> Place {
        let mut text = String::with_capacity(TYPICAL_PLACE);
        text.push_str(itoa::Buffer::new().format(self.root.as_raw_fd()));
        text.push('/');
        let start = text.len();
        self.videos.add_to(&mut text, permit.account(), permit.video());
        let folder = start..text.len();
        text.push('/');
        text.push_str(file.as_str());
        Place { text, folder }
    }

    /// Opens a file of the permitted video.
    pub(crate) async fn open_file(&self, permit: &Permit, file: FilePath<'_>) -> Result<OpenFile, OpenError> {
        self.open_in(self.videos.of(permit), file).await
    }

    /// Where the kernel has to ask a disk for the way to it, a blocking thread waits: a cold disk must not hold up other viewers.
    async fn open_in(&self, folder: String, file: FilePath<'_>) -> Result<OpenFile, OpenError> {
        let name: Arc<str> = format!("{folder}/{file}").into();
        if let Ok(opened) = open(&self.root, &folder, file.as_str(), Arc::clone(&name), Way::Known) {
            return Ok(opened);
        }
        self.open_in_any_way(folder, file, name).await
    }

    async fn open_in_any_way(&self, folder: String, file: FilePath<'_>, name: Arc<str>) -> Result<OpenFile, OpenError> {
        let root = Arc::clone(&self.root);
        let (path, opening) = (file.as_str().to_owned(), Arc::clone(&name));
        tokio::task::spawn_blocking(move || open(&root, &folder, &path, opening, Way::Any))
            .await
            .unwrap_or_else(|stopped| Err(OpenError::Failed { name, source: io::Error::other(stopped) }))
    }
}

/// Opens `path` below `video`, the video's folder, where no symbolic link leads out of it. Links within it are followed.
///
/// The kernel keeps the way inside, so nothing that is renamed meanwhile can lead it out.
fn open(root: &OwnedFd, video: &str, path: &str, name: Arc<str>, way: Way) -> Result<OpenFile, OpenError> {
    // Neither the folder itself nor one on the way to it may be a link: it could lead to another video.
    let folder = open_beneath(root, video, OFlags::PATH | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS, way);
    // `NONBLOCK`, or opening a pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = folder.and_then(|folder| open_beneath(&folder, path, flags, ResolveFlags::empty(), way));
    let opened = opened.map_err(io::Error::from);
    match opened.and_then(|file| OpenFile::new(file.into(), Arc::clone(&name))) {
        Ok(opened) if opened.metadata.is_file() => Ok(opened),
        Ok(_) => Err(OpenError::NoFile { name }),
        Err(error) => Err(refused(name, error)),
    }
}

fn open_beneath(
    folder: impl AsFd,
    path: &str,
    flags: OFlags,
    resolve: ResolveFlags,
    way: Way,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let (resolve, attempts) = match way {
        Way::Any => (resolve, ATTEMPTS),
        Way::Known => (resolve | ResolveFlags::CACHED, 1),
    };
    let mut result = Err(Errno::AGAIN);
    for _ in 0..attempts {
        result = openat2(&folder, path, flags, Mode::empty(), resolve);
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    result
}

fn refused(name: Arc<str>, error: io::Error) -> OpenError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::NODEV | Errno::NAMETOOLONG) => {
            OpenError::NoFile { name }
        }
        Some(Errno::XDEV | Errno::LOOP) => OpenError::Outside { name },
        Some(_) | None => OpenError::Failed { name, source: error },
    }
}

impl std::fmt::Debug for FolderOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FolderOrigin({})", self.path.display())
    }
}
