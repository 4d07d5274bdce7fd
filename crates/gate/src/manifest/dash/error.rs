//! What is wrong with a DASH manifest.

use super::outline::MAX_PARTS;
use super::scan::MAX_DEPTH;

/// Why a text is not a DASH manifest that can be read without doubt.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DashError {
    /// It has a document type, which may redefine everything.
    #[error("it has a document type")]
    DocumentType,
    /// It has an element in the text of another one that is a URL.
    #[error("it has an element within a URL, before byte {at}")]
    ElementInUrl {
        /// Where.
        at: usize,
    },
    /// It is not in UTF-8, or does not say so.
    #[error("it is not in UTF-8")]
    Encoding,
    /// It has an entity that XML does not know by itself.
    #[error("it has an entity other than those of XML, before byte {at}")]
    Entity {
        /// Where.
        at: usize,
    },
    /// Its root is not one `MPD`.
    #[error("its root is not one `MPD`")]
    Root,
    /// Elements lie too deep in each other.
    #[error("its elements lie more than {MAX_DEPTH} deep")]
    TooDeep,
    /// It has too much of what is to be looked at.
    #[error("it has more than {MAX_PARTS} levels and URLs")]
    TooManyParts,
    /// It ends within an element.
    #[error("it ends before its elements do")]
    Unclosed,
    /// The reader copied what it read, so that nothing can be put into its place.
    #[error("it has an attribute, before byte {at}, that is not found again")]
    Unplaced {
        /// Where.
        at: usize,
    },
    /// It is not well-formed XML.
    #[error("it is not well-formed XML before byte {at}")]
    Xml {
        /// Where.
        at: usize,
        /// Why not.
        source: quick_xml::Error,
    },
}

impl DashError {
    pub(in super::super) fn is_of_size(&self) -> bool {
        match self {
            Self::TooManyParts => true,
            Self::DocumentType
            | Self::ElementInUrl { .. }
            | Self::Encoding
            | Self::Entity { .. }
            | Self::Root
            | Self::TooDeep
            | Self::Unclosed
            | Self::Unplaced { .. }
            | Self::Xml { .. } => false,
        }
    }
}
