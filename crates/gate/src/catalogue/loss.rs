//! What becomes of a catalogue where the store went back in time: an older backup in its place, a failover that lost commits.
//!
//! What was forbidden stays so. A key that was deleted is not live again, what was taken back stays taken back, and a video
//! is as private as either says. A later change of the same video or account puts it as the store says.

use vidpass_token::AccountPolicy;

use super::Catalogue;

/// How much the store did not know any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Keys that were deleted and came back.
    pub keys: usize,
    /// Videos that were deleted and came back, or became more open.
    pub videos: usize,
    /// Accounts whose videos became more open.
    pub accounts: usize,
    /// Subjects whose tokens were taken back.
    pub revocations: usize,
}

impl Loss {
    /// Whether the store knew everything.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Catalogue {
    /// Takes over from `old`, whose change log did not lead on to this one: the stricter of both, and what the store had lost.
    pub(crate) fn take_over(&mut self, old: &Self) -> Loss {
        Loss {
            keys: self.keep_keys_deleted(old),
            videos: self.keep_videos_deleted(old) + self.keep_videos_strict(old),
            accounts: self.keep_accounts_strict(old),
            revocations: self.keep_revocations(old),
        }
    }

    fn keep_keys_deleted(&mut self, old: &Self) -> usize {
        let live = self.keys.len();
        for (id, ()) in old.deleted_keys.iter() {
            self.remove_key(id);
        }
        live - self.keys.len()
    }

    fn keep_videos_deleted(&mut self, old: &Self) -> usize {
        let known = self.videos.len();
        for (uid, ()) in old.deleted_videos.iter() {
            self.remove_video(uid);
        }
        known - self.videos.len()
    }

    fn keep_videos_strict(&mut self, old: &Self) -> usize {
        let mut stricter = Vec::new();
        for (uid, new) in self.videos.iter() {
            let both = old.videos.get(uid).map(|old| new.stricter(old));
            stricter.extend(both.filter(|both| both != new).map(|both| (uid.clone(), both)));
        }
        let count = stricter.len();
        for (uid, policy) in stricter {
            self.videos.insert(uid, policy);
        }
        count
    }

    /// One that said nothing is no dry run; one of which nothing can be told is as the store says.
    fn keep_accounts_strict(&mut self, old: &Self) -> usize {
        let mut stricter = Vec::new();
        for (id, new) in self.accounts.iter() {
            let Some(new) = new.as_ref().filter(|new| new.dry_run) else { continue };
            if !old.accounts.get(id).is_some_and(|old| old.as_ref().is_some_and(|old| old.dry_run)) {
                stricter.push((id.clone(), Some(AccountPolicy { dry_run: false, ..new.clone() })));
            }
        }
        let count = stricter.len();
        for (id, policy) in stricter {
            self.accounts.insert(id, policy);
        }
        count
    }

    fn keep_revocations(&mut self, old: &Self) -> usize {
        for (mark, taken) in old.revocations.iter().chain(old.lost_revocations.iter()) {
            let known = self.revocations.get(mark).map_or(&[][..], |known| known);
            let kept = self.lost_revocations.get(mark).map_or(&[][..], |kept| kept);
            let lost: Vec<_> =
                taken.iter().filter(|one| !known.contains(one) && !kept.contains(one)).copied().collect();
            if !lost.is_empty() {
                self.lost_revocations.insert(*mark, [kept, &lost].concat().into());
            }
        }
        self.lost_revocations.len()
    }
}

#[cfg(test)]
mod tests;
