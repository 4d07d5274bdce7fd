//! DASH manifests (ISO/IEC 23009-1): what in them is a URL, and where each starts from.

mod bases;
mod error;
mod outline;
mod scan;

use std::borrow::Cow;

pub(crate) use self::error::DashError;

use self::bases::Bases;
use self::outline::Role;
use self::scan::outline;
use super::ManifestError;
use super::relocation::Relocation;
use super::splice::Splice;

/// Every byte that is not of such a URL stays as it is.
pub(super) fn rewrite<'a>(text: &'a [u8], relocation: &Relocation<'_>) -> Result<Cow<'a, [u8]>, ManifestError> {
    let outline = outline(text).map_err(ManifestError::Dash)?;
    let bases = Bases::of(&outline, relocation);
    let mut splice = Splice::of(text);
    for url in &outline.urls {
        let from = match url.role {
            Role::Base { level } => bases.above(level),
            Role::Leaf { level, .. } => bases.below(level),
            Role::Link { level } => bases.of_link(level),
            Role::Place => bases.manifest(),
        };
        let new = from.and_then(|from| relocation.rewritten(&url.text, url.role.form(), &from));
        if let Some(new) = new {
            splice.replace(url.at.clone(), quick_xml::escape::escape(new).as_bytes())?;
        }
    }
    Ok(splice.finish())
}
