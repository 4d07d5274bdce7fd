//! What a DASH manifest says about URLs.

use std::borrow::Cow;
use std::ops::Range;

use super::super::reference::Form;
use super::error::DashError;

/// How many levels and URLs there may be: each takes hundreds of bytes of memory, and a few bytes of the manifest. A day
/// of four-second segments, each with a URL of its own, in ten renditions comes to half of it.
pub(super) const MAX_PARTS: usize = 400_000;

/// A level's place in [`Outline::levels`].
pub(super) type LevelId = usize;

/// The URLs of a manifest in the order of the text, and the levels that they belong to.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub(super) levels: Vec<Level>,
    pub(super) urls: Vec<Url<'a>>,
}

/// An element that may have a `BaseURL` of its own.
pub(super) struct Level {
    pub(super) parent: Option<LevelId>,
    /// Its `BaseURL`s, by their places in [`Outline::urls`].
    pub(super) bases: Vec<usize>,
}

/// A URL, wherever it stands.
pub(super) struct Url<'a> {
    /// Where in the text; with space around it in an element's text.
    pub(super) at: Range<usize>,
    /// The element whose text it is, with its tags; of an attribute the same as `at`.
    pub(super) element: Range<usize>,
    /// What it says, without entities and space around it.
    pub(super) text: Cow<'a, str>,
    pub(super) role: Role,
}

/// What a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A `BaseURL` of `level`.
    Base { level: LevelId },
    /// A segment, an index or the like, described at `level`.
    Leaf { level: LevelId, form: Form },
    /// An `xlink:href` on something at `level`; `None` on the root.
    Link { level: Option<LevelId> },
    /// Where the manifest is to be had from now on.
    Location,
    /// Where changes of the manifest are to be had.
    Patch,
    /// No URL, but a whole element that makes players send the token elsewhere.
    Forwarding,
}

impl<'a> Outline<'a> {
    pub(super) fn add_level(&mut self, parent: Option<LevelId>) -> Result<LevelId, DashError> {
        self.check_room()?;
        self.levels.push(Level { parent, bases: Vec::new() });
        Ok(self.levels.len() - 1)
    }

    pub(super) fn add_url(&mut self, url: Url<'a>) -> Result<(), DashError> {
        self.check_room()?;
        self.urls.push(url);
        Ok(())
    }

    fn check_room(&self) -> Result<(), DashError> {
        if self.levels.len() + self.urls.len() == MAX_PARTS { Err(DashError::TooManyParts) } else { Ok(()) }
    }
}

impl Role {
    pub(super) fn form(self) -> Form {
        match self {
            Self::Base { .. } => Form::Base,
            Self::Leaf { form, .. } => form,
            Self::Link { .. } | Self::Location | Self::Patch | Self::Forwarding => Form::File,
        }
    }
}
