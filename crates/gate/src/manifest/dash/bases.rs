//! Where relative references start from at each level of a DASH manifest.

use std::borrow::Cow;

use super::super::base_folder::BaseFolder;
use super::super::reference::Form;
use super::super::relocation::Relocation;
use super::outline::{LevelId, Outline};

/// The base URLs in force, level by level. `None` stands for one that is not of the video: whatever starts from there is
/// another host's, and so is what may start from there or elsewhere.
pub(super) struct Bases {
    manifest: BaseFolder,
    parents: Vec<Option<LevelId>>,
    /// Of the level's own `BaseURL`s, or without one its parent's.
    own: Vec<Option<BaseFolder>>,
    /// Of the innermost levels below, which use what stands further out.
    innermost: Vec<Option<BaseFolder>>,
}

impl Bases {
    pub(super) fn of(outline: &Outline<'_>, relocation: &Relocation<'_>) -> Self {
        let manifest = relocation.base_folder();
        let parents: Vec<_> = outline.levels.iter().map(|level| level.parent).collect();
        let mut bases = Self { manifest, parents, own: Vec::new(), innermost: Vec::new() };
        for (id, level) in outline.levels.iter().enumerate() {
            // A parent stands before its children.
            let above = bases.above(id).map(Cow::into_owned);
            let texts = level.bases.iter().map(|url| &*outline.urls[*url].text);
            let of_base = |text: &str| above.as_ref().and_then(|above| relocation.base(text, Form::Base, above));
            let own = texts.map(of_base).reduce(either).unwrap_or_else(|| above.clone());
            bases.own.push(own);
        }
        bases.innermost = bases.innermost_levels();
        bases
    }

    fn innermost_levels(&self) -> Vec<Option<BaseFolder>> {
        let mut innermost = self.own.clone();
        let mut has_children = vec![false; innermost.len()];
        // Children stand after their parent.
        for id in (0..innermost.len()).rev() {
            let Some(parent) = self.parents[id] else { continue };
            let children = if has_children[parent] {
                either(innermost[parent].take(), innermost[id].clone())
            } else {
                innermost[id].clone()
            };
            innermost[parent] = children;
            has_children[parent] = true;
        }
        innermost
    }

    /// Where the manifest is.
    pub(super) fn manifest(&self) -> Option<Cow<'_, BaseFolder>> {
        Some(Cow::Borrowed(&self.manifest))
    }

    /// Where the `BaseURL`s of a level start from.
    pub(super) fn above(&self, level: LevelId) -> Option<Cow<'_, BaseFolder>> {
        self.parents[level].map_or_else(|| self.manifest(), |parent| self.own[parent].as_ref().map(Cow::Borrowed))
    }

    /// Where the segments that a level describes start from.
    pub(super) fn below(&self, level: LevelId) -> Option<Cow<'_, BaseFolder>> {
        self.innermost[level].as_ref().map(Cow::Borrowed)
    }

    /// Where an `xlink:href` starts from: some players take the manifest's place, and others the base URL.
    pub(super) fn of_link(&self, level: Option<LevelId>) -> Option<Cow<'_, BaseFolder>> {
        match level {
            Some(level) => Some(Cow::Owned(self.own[level].as_ref()?.or(&self.manifest))),
            None => self.manifest(),
        }
    }
}

fn either(one: Option<BaseFolder>, other: Option<BaseFolder>) -> Option<BaseFolder> {
    Some(one?.or(&other?))
}
