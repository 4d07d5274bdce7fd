//! Manifests whose children carry the token.
//!
//! The token stands in the path, so whatever a manifest names by a relative reference gets it from the player's own
//! resolution. [`rewrite`] turns the other names of the video's own files into relative references too. Its result
//! holds no token and is the same for every viewer, unless a [`TokenParameter`] is to be added. What is not plainly a
//! file of the video stays as it is. What would make players send the token elsewhere, such as a steering server, is taken
//! out.
//!
//! Nothing here reads a file or knows who asks.

mod base_folder;
mod dash;
mod hls;
mod home;
mod parameter;
mod reference;
mod relocation;
mod splice;

use std::borrow::Cow;

use vidpass_token::FilePath;

pub(crate) use self::dash::DashError;
pub(crate) use self::home::{Home, Homes};
pub(crate) use self::parameter::TokenParameter;
pub(crate) use self::relocation::Relocation;

/// What kind of manifest a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManifestKind {
    /// A DASH media presentation description (ISO/IEC 23009-1).
    Dash,
    /// An HLS playlist (RFC 8216).
    Hls,
}

/// Why a manifest cannot be rewritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ManifestError {
    /// It is not a DASH manifest that can be read without doubt.
    #[error("it cannot be read as a DASH manifest")]
    Dash(#[source] DashError),
    /// It asks players to put the token into other URLs, or could be read so.
    #[error("it reads the token from its own URL (`EXT-X-DEFINE:QUERYPARAM`)")]
    ReadsToken,
    /// Rewritten, it would have too many bytes.
    #[error("rewritten, it would have more than {limit} bytes")]
    TooLarge {
        /// The most that it may have.
        limit: usize,
    },
}

impl ManifestError {
    /// Whether it is too large, or has too much in it, rather than being wrong.
    pub(crate) fn is_of_size(&self) -> bool {
        match self {
            Self::Dash(error) => error.is_of_size(),
            Self::ReadsToken => false,
            Self::TooLarge { .. } => true,
        }
    }
}

impl ManifestKind {
    /// The kind that a file's extension stands for; `None` where it is no manifest.
    #[must_use]
    pub(crate) fn of(file: FilePath<'_>) -> Option<Self> {
        let is = |extension: &str| file.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
        if is("m3u8") || is("m3u") {
            return Some(Self::Hls);
        }
        is("mpd").then_some(Self::Dash)
    }
}

/// The manifest `text` with every reference to a file of the video in a form that carries the viewer's credential.
/// Borrowed where nothing had to change.
///
/// # Errors
/// [`ManifestError`]; nothing is ever rewritten by half.
pub(crate) fn rewrite<'a>(
    kind: ManifestKind,
    text: &'a [u8],
    relocation: &Relocation<'_>,
) -> Result<Cow<'a, [u8]>, ManifestError> {
    match kind {
        ManifestKind::Dash => dash::rewrite(text, relocation),
        ManifestKind::Hls => hls::rewrite(text, relocation),
    }
}

#[cfg(test)]
mod tests;
