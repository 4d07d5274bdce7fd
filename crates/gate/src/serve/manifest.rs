//! Manifests, rewritten for the viewer and served from memory.

use std::borrow::Cow;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use vidpass_token::{Chain, MediaPath, Permit, UnixTime};

use super::conditional::{EntityTag, Validators};
use super::files::FileRequest;
use crate::deny::Failure;
use crate::manifest::{Homes, ManifestError, ManifestKind, Relocation, TokenParameter, rewrite};
use crate::origin::{Found, Head, Made, OpenFile, Origins};

/// The largest manifest that is served, in bytes. A day of two-second segments has about a megabyte for each rendition.
const MAX_LENGTH: u64 = 16 << 20;

/// The largest that is rewritten at once, in bytes: for longer than the millisecond that it takes, other viewers do not
/// wait. As many as there are threads are in memory at once, and there is no need to wait for room.
const MAX_AT_ONCE: u64 = 64 << 10;

/// All that rewriting needs, so that it can be done elsewhere.
struct Job {
    kind: ManifestKind,
    text: Bytes,
    /// The manifest's path, with the uid in the place of the token.
    path: String,
    homes: Homes,
    parameter: Option<TokenParameter>,
    modified: Option<UnixTime>,
    /// Held to the end, be the viewer there or not.
    room: Option<OwnedSemaphorePermit>,
}

/// The manifest that is asked for, with children that carry the viewer's credential.
pub(super) async fn rewritten(
    origins: &Origins,
    permit: &Permit,
    kind: ManifestKind,
    request: &FileRequest<'_>,
) -> Result<Found, Failure> {
    let file = request.path.file();
    let found = origins.find_whole(permit, file, request.now).await?;
    let Head { length, validators: Validators { modified, .. } } = found.head.clone();
    if length > MAX_LENGTH {
        tracing::warn!(length, video.id = %permit.video(), path = %file, "a manifest is too large to be served");
        return Err(Failure::ManifestTooLarge);
    }
    let room = if length > MAX_AT_ONCE { Some(origins.room_for_large(length).await?) } else { None };
    let text = found.read_whole().await?;
    let homes = Homes::new(permit.video(), origins.homes(permit)?);
    let path = path_within(permit, request.path);
    let job = Job { kind, text, path, homes, parameter: request.parameter.clone(), modified, room };
    let (made, _room) = job.done().await?;
    let made = made.map_err(|error| {
        tracing::warn!(error = %Chain(&error), video.id = %permit.video(), path = %file, "a manifest is not served");
        if error.is_of_size() { Failure::ManifestTooLarge } else { Failure::ManifestUnreadable }
    })?;
    origins.hold(made)
}

/// The same where nothing has to be waited for: a small manifest in a folder, which every viewer of the video gets alike. It is
/// rewritten once for all who ask while its file is kept open.
pub(super) fn rewritten_at_once(
    origins: &Origins,
    permit: &Permit,
    kind: ManifestKind,
    request: &FileRequest<'_>,
    opened: &OpenFile,
) -> Option<Found> {
    // A token beside the path is one viewer's own.
    if request.parameter.is_some() {
        return None;
    }
    if opened.made.get().is_none() {
        let homes = Homes::new(permit.video(), origins.homes(permit).ok()?);
        let path = path_within(permit, request.path);
        let job = Job {
            kind,
            text: opened.read_at_once(MAX_AT_ONCE)?,
            path,
            homes,
            parameter: None,
            modified: None,
            room: None,
        };
        let bytes = job.run().ok().filter(|bytes| bytes.len() as u64 <= MAX_AT_ONCE)?;
        let (account, video) = (permit.account().clone(), permit.video().clone());
        // Whoever was here meanwhile made the same.
        let _ = opened.made.set(Made { account, video, etag: EntityTag::of_bytes(&bytes), bytes });
    }
    // Of one folder there may be two accounts, where an origin's path does not name them, and each has homes of its own.
    let made = opened.made.get().filter(|made| made.account == *permit.account() && made.video == *permit.video())?;
    Some(Found::made_of(opened, made, request.now))
}

/// The path of what is asked for, with the uid in the place of the token.
fn path_within(permit: &Permit, path: &MediaPath<'_>) -> String {
    format!("/{}/{}", permit.video(), path.file().as_str())
}

impl Job {
    /// What became of it, and the room, which is to be held until that is counted.
    async fn done(self) -> Result<(Result<Found, ManifestError>, Option<OwnedSemaphorePermit>), Failure> {
        if self.text.len() as u64 <= MAX_AT_ONCE {
            return Ok((self.found(), self.room));
        }
        spawn_blocking(move || (self.found(), self.room)).await.map_err(|stopped| {
            tracing::error!(error = %Chain(&stopped), "a manifest was not rewritten to its end");
            Failure::OriginFailed
        })
    }

    fn run(&self) -> Result<Bytes, ManifestError> {
        let path = MediaPath::parse(&self.path).expect("it was a path of the grammar with the token too");
        let relocation = Relocation { manifest: path.file(), homes: &self.homes, parameter: self.parameter.as_ref() };
        Ok(match rewrite(self.kind, &self.text, &relocation)? {
            Cow::Borrowed(_) => self.text.clone(),
            Cow::Owned(new) => new.into_boxed_slice().into(),
        })
    }

    fn found(&self) -> Result<Found, ManifestError> {
        Ok(Found::in_memory(self.run()?, self.modified))
    }
}
