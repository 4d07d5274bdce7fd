//! What a gate knows: the live keys, public parts only, the videos, what accounts say about theirs, and what was taken
//! back.

mod contents;
mod loss;
mod sharded;

use vidpass_token::{
    AccountId, AccountPolicy, KeyId, PublicKey, RevocationMark, SignedClaims, Standing, Taken, TokenMarks, UnixTime,
    VideoId, VideoPolicy,
};

pub use self::loss::Loss;
use self::sharded::ShardedMap;
use crate::seen::Verified;

/// Keys, videos and accounts at one moment. Cheap to clone: clones share what has not changed since.
///
/// An empty one refuses everybody.
#[derive(Clone, Default)]
pub struct Catalogue {
    keys: ShardedMap<KeyId, LiveKey>,
    videos: ShardedMap<VideoId, VideoPolicy>,
    /// Accounts that say anything, `None` where nobody can tell what; all others are [`NOTHING_SAID`].
    accounts: ShardedMap<AccountId, Option<AccountPolicy>>,
    revocations: ShardedMap<RevocationMark, Box<[Taken]>>,
    /// What was taken back, and the store no longer knows it.
    lost_revocations: ShardedMap<RevocationMark, Box<[Taken]>>,
    /// Keys and videos that were deleted. The id of a key is never given out again; a video may be registered anew.
    deleted_keys: ShardedMap<KeyId, ()>,
    deleted_videos: ShardedMap<VideoId, ()>,
}

static NOTHING_SAID: AccountPolicy = AccountPolicy { dry_run: false, origin: None };

/// A key that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveKey {
    pub(crate) account: AccountId,
    pub(crate) public: PublicKey,
}

impl Catalogue {
    /// Makes a key known, or replaces it; one that was deleted stays so.
    pub fn insert_key(&mut self, id: KeyId, account: AccountId, public: PublicKey) {
        if self.deleted_keys.get(&id).is_none() {
            self.keys.insert(id, LiveKey { account, public });
        }
    }

    /// Forgets a key for ever: its tokens are refused from the next request on.
    pub fn remove_key(&mut self, id: &KeyId) {
        self.keys.remove(id);
        self.deleted_keys.insert(id.clone(), ());
    }

    /// Makes a video known, or replaces what is known of it.
    pub fn insert_video(&mut self, uid: VideoId, policy: VideoPolicy) {
        self.deleted_videos.remove(&uid);
        self.videos.insert(uid, policy);
    }

    /// Forgets a video.
    pub fn remove_video(&mut self, uid: &VideoId) {
        self.videos.remove(uid);
        self.deleted_videos.insert(uid.clone(), ());
    }

    /// Makes known what an account says about its videos, or replaces it. `None`: it cannot be told, and its videos are
    /// refused.
    pub fn insert_account(&mut self, id: AccountId, policy: Option<AccountPolicy>) {
        self.accounts.insert(id, policy);
    }

    /// What is taken back of one subject's tokens from now on, which may be nothing any longer.
    pub fn set_revocations(&mut self, mark: RevocationMark, taken: Box<[Taken]>) {
        if taken.is_empty() {
            self.revocations.remove(&mark);
        } else {
            self.revocations.insert(mark, taken);
        }
    }

    /// Of how many subjects tokens are taken back.
    pub(crate) fn revocation_count(&self) -> usize {
        self.revocations.len()
    }

    /// How a token stands. Its marks are not asked for while nothing is taken back.
    pub(crate) fn standing_of(&self, token: &Verified, now: UnixTime) -> Standing {
        if self.revocations.is_empty() && self.lost_revocations.is_empty() {
            return Standing::Good;
        }
        self.standing(token.marks(), &token.claims, now)
    }

    /// How a token with these marks and claims stands.
    pub(crate) fn standing(&self, marks: &TokenMarks, claims: &SignedClaims, now: UnixTime) -> Standing {
        let known = marks.standing(claims, now, |mark| self.revocations.get(&mark).map_or(&[], |taken| taken));
        if known != Standing::Good || self.lost_revocations.is_empty() {
            return known;
        }
        marks.standing(claims, now, |mark| self.lost_revocations.get(&mark).map_or(&[], |taken| taken))
    }

    /// How many keys are live.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// How many videos there are.
    pub(crate) fn video_count(&self) -> usize {
        self.videos.len()
    }

    pub(crate) fn key(&self, id: &KeyId) -> Option<&LiveKey> {
        self.keys.get(id)
    }

    /// The very key that verified `token`, while it is live and of the same account.
    pub(crate) fn live_key_of(&self, token: &Verified) -> Option<&LiveKey> {
        let key = self.keys.get(token.claims.key_id());
        key.filter(|key| key.public == token.key && key.account == token.account)
    }

    pub(crate) fn video(&self, uid: &VideoId) -> Option<&VideoPolicy> {
        self.videos.get(uid)
    }

    /// A video, and what its owner says. Where that cannot be told, there is no such video: its files may be anywhere.
    pub(crate) fn video_of_owner(&self, uid: &VideoId) -> (Option<&VideoPolicy>, &AccountPolicy) {
        let Some(video) = self.videos.get(uid) else { return (None, &NOTHING_SAID) };
        match self.accounts.get(&video.account) {
            None => (Some(video), &NOTHING_SAID),
            Some(Some(said)) => (Some(video), said),
            Some(None) => (None, &NOTHING_SAID),
        }
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Catalogue({} keys, {} videos, {} revocations)",
            self.key_count(),
            self.video_count(),
            self.revocation_count()
        )
    }
}

#[cfg(test)]
mod tests;
