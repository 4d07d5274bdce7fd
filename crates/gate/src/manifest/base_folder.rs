//! The folders of a video from which a relative reference may start.

use std::rc::Rc;

/// One folder, or several of which the one in force is the player's choice (DASH, alternative `BaseURL`s).
///
/// Of several only this is kept: the names that they all begin with, and how deep they lie. It is enough to see that a
/// reference stays within the video, and grows neither with their number nor with their combinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseFolder {
    /// The names with a `/` between them. Most levels of a manifest share their parent's.
    common: Rc<str>,
    /// How many they are.
    known: usize,
    shallowest: usize,
    deepest: usize,
}

impl BaseFolder {
    /// The folder of these names below the video.
    pub(super) fn folder<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        Self { common: names.join("/").into(), known: names.len(), shallowest: names.len(), deepest: names.len() }
    }

    /// Either of the two.
    pub(super) fn or(&self, other: &Self) -> Self {
        let same = self.names().zip(other.names()).take_while(|(one, other)| one == other).count();
        let common = if same == self.known { Rc::clone(&self.common) } else { join(self.names().take(same)) };
        let (shallowest, deepest) = (self.shallowest.min(other.shallowest), self.deepest.max(other.deepest));
        Self { common, known: same, shallowest, deepest }
    }

    /// The names that all of them begin with.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.common.split('/').filter(|name| !name.is_empty())
    }

    /// The names of the folder, where there is but one.
    pub(super) fn only(&self) -> Option<impl Iterator<Item = &str>> {
        self.is_one().then(|| self.names())
    }

    fn is_one(&self) -> bool {
        self.known == self.shallowest && self.known == self.deepest
    }

    /// How long the names are together, in bytes.
    pub(super) fn length(&self) -> usize {
        self.common.len()
    }

    /// Whether `ups` steps up from each of them stay within the video.
    pub(super) fn has_above(&self, ups: usize) -> bool {
        ups <= self.shallowest
    }

    /// What lies `ups` steps above, and then down. `ups` must be as few as [`Self::has_above`] allows.
    pub(super) fn walk(&self, ups: usize, down: &[&str]) -> Self {
        let known = self.known.min(self.shallowest - ups);
        // Below several folders lies nothing that they share.
        let shared = if self.is_one() { down } else { &[] };
        let moved = |depth: usize| depth - ups + down.len();
        Self {
            common: join(self.names().take(known).chain(shared.iter().copied())),
            known: known + shared.len(),
            shallowest: moved(self.shallowest),
            deepest: moved(self.deepest),
        }
    }

    /// The shortest relative reference to `names` below the video that is right for each of them; `None` where they
    /// lie at different depths, and no one is right for all.
    pub(super) fn to(&self, names: &[&str]) -> Option<String> {
        if self.shallowest != self.deepest {
            return None;
        }
        let folders = &names[..names.len().saturating_sub(1)];
        let same = self.names().zip(folders).take_while(|(own, name)| own == *name).count();
        let relative = format!("{}{}", "../".repeat(self.deepest - same), names[same..].join("/"));
        Some(if relative.is_empty() { "./".to_owned() } else { relative })
    }
}

fn join<'n>(names: impl Iterator<Item = &'n str>) -> Rc<str> {
    names.collect::<Vec<_>>().join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way() {
        check("manifest", "hls/a.ts", Some("../hls/a.ts"));
        check("manifest", "manifest/a.ts", Some("a.ts"));
        check("manifest", "a.ts", Some("../a.ts"));
        check("", "hls/a.ts", Some("hls/a.ts"));
        check("a/b/c", "a/b/d/e.ts", Some("../d/e.ts"));
        check("a/b", "a/b.ts", Some("../b.ts"));
        check("a/b", "a/b/", Some("./"));
        check("a/b", "a/", Some("../"));
        check("", "", Some("./"));
        check("a/b", "", Some("../../"));
    }

    #[test]
    fn one_way_for_several_folders() {
        check("360p|720p", "hls/a.ts", Some("../hls/a.ts"));
        check("360p|720p", "360p/a.ts", Some("../360p/a.ts"));
        check("dash/360p|dash/720p", "dash/a.ts", Some("../a.ts"));
        check("dash|dash/720p", "a.ts", None);
    }

    #[test]
    fn a_walk_keeps_what_is_known() {
        let walk = |folders, ups, down: &[&str]| base_folder(folders).walk(ups, down);
        assert_eq!(walk("a/b", 1, &["c"]), base_folder("a/c"));
        assert_eq!(walk("a/b|a/c", 1, &[]), base_folder("a"));
        assert_eq!(walk("a/b|c/d", 0, &["e"]), base_folder("a/b/e|c/d/e"));
        assert!(base_folder("a|a/b").has_above(1) && !base_folder("a|a/b").has_above(2));
        assert!(base_folder("a|a/b").only().is_none());
    }

    fn base_folder(folders: &str) -> BaseFolder {
        let one = |folder: &str| BaseFolder::folder(folder.split('/').filter(|name| !name.is_empty()));
        folders.split('|').map(one).reduce(|all, other| all.or(&other)).unwrap()
    }

    #[track_caller]
    fn check(folders: &str, target: &str, expected: Option<&str>) {
        let names: Vec<&str> = target.split('/').collect();
        assert_eq!(base_folder(folders).to(&names).as_deref(), expected, "{folders} to {target}");
    }
}
