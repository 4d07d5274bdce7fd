//! What becomes of one reference.

use vidpass_token::{FilePath, MAX_PATH_LENGTH, MAX_TOKEN_LENGTH};

use super::base_folder::BaseFolder;
use super::home::Homes;
use super::parameter::TokenParameter;
use super::reference::{Form, Reference, Start, Steps, is_served};

/// The longest path below a video that a reference may lead to, in bytes: with a token before it, it must still be one
/// that the gate reads.
const MAX_BELOW: usize = MAX_PATH_LENGTH - MAX_TOKEN_LENGTH - 2;

/// The longest path of a folder below a video that others may start from, in bytes. A manifest may have a hundred
/// thousand of them.
const MAX_BASE: usize = 256;

/// How the references of one manifest are changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation<'a> {
    /// The manifest itself, below the video's folder.
    pub(crate) manifest: FilePath<'a>,
    /// Where the video's files are known to be.
    pub(crate) homes: &'a Homes,
    /// What every reference to a file of the video gets added to its query, if anything.
    pub(crate) parameter: Option<&'a TokenParameter>,
}

/// A file or folder of the video, as a reference leads to it.
enum Target<'r> {
    /// A relative reference leads to it at the gate as well.
    Within(Steps<'r>),
    /// It must be named anew, by these names below the video.
    Below(Vec<&'r str>),
}

impl Relocation<'_> {
    /// The manifest's own folder.
    pub(super) fn base_folder(&self) -> BaseFolder {
        let mut names: Vec<&str> = self.manifest.segments().collect();
        names.pop();
        BaseFolder::folder(names)
    }

    /// The text that takes the place of a reference; `None` where it stays as it is.
    pub(super) fn rewritten(&self, text: &str, form: Form, from: &BaseFolder) -> Option<String> {
        let reference = Reference::parse(text)?;
        let target = self.target(&reference, form, from)?;
        let place = match &target {
            Target::Within(_) => None,
            Target::Below(names) => Some(from.to(names)?),
        };
        let query = self.parameter.filter(|_| target.is_file()).map(|parameter| parameter.add_to(reference.query));
        if place.is_none() && query.is_none() {
            return None;
        }
        // What is kept is relative, so it begins with its path.
        let place = place.as_deref().unwrap_or(reference.path);
        let query = query.as_deref().unwrap_or(reference.query);
        Some(format!("{place}{query}{}", reference.fragment)).filter(|new| new != text)
    }

    /// Where references start from below a base, or below a file; `None` where that is not of the video.
    pub(super) fn base(&self, text: &str, form: Form, from: &BaseFolder) -> Option<BaseFolder> {
        if text.is_empty() {
            return Some(from.clone());
        }
        let reference = Reference::parse(text)?;
        let base = match self.target(&reference, form, from)? {
            Target::Within(steps) => {
                let folders = &steps.names[..steps.names.len().saturating_sub(1)];
                from.walk(steps.ups, folders)
            }
            Target::Below(mut names) => {
                // What cannot be named anew stays as it is, and leads away from the gate.
                from.to(&names)?;
                names.pop();
                BaseFolder::folder(names)
            }
        };
        Some(base).filter(|base| base.length() <= MAX_BASE)
    }

    fn target<'r>(&'r self, reference: &Reference<'r>, form: Form, from: &'r BaseFolder) -> Option<Target<'r>> {
        let steps = reference.steps(form)?;
        let target = match reference.start {
            Start::Here if from.has_above(steps.ups) => Target::Within(steps),
            Start::Here => Target::Below(self.by_home(&steps, from)?),
            Start::Root => Target::Below(below(self.homes.find_path(&steps.names)?, steps.names)),
            Start::Host { authority, default_port } => {
                let home = self.homes.find_url(authority, default_port, &steps.names)?;
                Target::Below(below(home, steps.names))
            }
        };
        target.is_served(form).then_some(target)
    }

    /// A relative reference that leads out of the video at the gate may have led back into it from one of its homes.
    fn by_home<'r>(&'r self, steps: &Steps<'r>, from: &'r BaseFolder) -> Option<Vec<&'r str>> {
        self.homes.folders().find_map(|home| {
            let mut names: Vec<&str> = home.chain(from.only()?).collect();
            names.truncate(names.len().checked_sub(steps.ups)?);
            names.extend(&steps.names);
            Some(below(self.homes.find_path(&names)?, names))
        })
    }
}

impl Target<'_> {
    fn names(&self) -> &[&str] {
        match self {
            Self::Within(steps) => &steps.names,
            Self::Below(names) => names,
        }
    }

    /// No name at all is the manifest itself.
    fn is_file(&self) -> bool {
        self.names().last().is_none_or(|name| !name.is_empty())
    }

    fn is_served(&self, form: Form) -> bool {
        let names = self.names();
        let folders = if self.is_file() { names } else { &names[..names.len() - 1] };
        let length: usize = names.iter().map(|name| name.len() + 1).sum();
        (form == Form::Base || self.is_file())
            && length <= MAX_BELOW
            && folders.iter().all(|name| is_served(name, form))
    }
}

/// The names that follow the `home` first ones.
fn below(home: usize, mut names: Vec<&str>) -> Vec<&str> {
    names.drain(..home);
    names
}
