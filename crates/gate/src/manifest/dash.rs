//! DASH manifests (ISO/IEC 23009-1): what in them is a URL, and where each starts from.

mod bases;
mod error;
mod outline;
mod scan;

use std::borrow::Cow;

pub(crate) use self::error::DashError;

use self::bases::Bases;
use self::outline::{Role, Url};
use self::scan::outline;
use super::ManifestError;
use super::reference::Form;
use super::relocation::Relocation;
use super::splice::Splice;

/// Every byte that is not of such a URL, nor of an element that sends the token elsewhere, stays as it is.
pub(super) fn rewrite<'a>(text: &'a [u8], relocation: &Relocation<'_>) -> Result<Cow<'a, [u8]>, ManifestError> {
    let outline = outline(text).map_err(ManifestError::Dash)?;
    let bases = Bases::of(&outline, relocation);
    let mut splice = Splice::of(text);
    for url in &outline.urls {
        let from = match url.role {
            Role::Base { level } => bases.above(level),
            Role::Leaf { level, .. } => bases.below(level),
            Role::Link { level } => bases.of_link(level),
            Role::Location | Role::Patch => bases.manifest(),
            Role::Forwarding => None,
        };
        if leads_away(url, relocation) {
            splice.replace(url.element.clone(), b"")?;
            continue;
        }
        let new = from.and_then(|from| relocation.rewritten(&url.text, url.role.form(), &from));
        if let Some(new) = new {
            splice.replace(url.at.clone(), quick_xml::escape::escape(new).as_bytes())?;
        }
    }
    Ok(splice.finish())
}

/// Whether an element is to be taken out. From a `Location` some players start as from the manifest itself, so one in
/// another folder would lead them elsewhere with every relative reference; without it, all ask where they asked before.
fn leads_away(url: &Url<'_>, relocation: &Relocation<'_>) -> bool {
    match url.role {
        Role::Forwarding => true,
        Role::Location => {
            let folder = relocation.base_folder();
            relocation.base(&url.text, Form::File, &folder) != Some(folder)
        }
        Role::Base { .. } | Role::Leaf { .. } | Role::Link { .. } | Role::Patch => false,
    }
}
