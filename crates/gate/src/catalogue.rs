//! What a gate knows: the live keys, public parts only, and the videos.

mod sharded;

use vidpass_token::{AccountId, KeyId, PublicKey, VideoId, VideoPolicy};

use self::sharded::ShardedMap;

/// Keys and videos at one moment. Cheap to clone: clones share what has not changed since.
///
/// An empty one refuses everybody.
#[derive(Clone, Default)]
pub struct Catalogue {
    keys: ShardedMap<KeyId, LiveKey>,
    videos: ShardedMap<VideoId, VideoPolicy>,
}

/// A key that may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveKey {
    pub(crate) account: AccountId,
    pub(crate) public: PublicKey,
}

impl Catalogue {
    /// Makes a key known, or replaces it.
    pub fn insert_key(&mut self, id: KeyId, account: AccountId, public: PublicKey) {
        self.keys.insert(id, LiveKey { account, public });
    }

    /// Forgets a key: its tokens are refused from the next request on.
    pub fn remove_key(&mut self, id: &KeyId) {
        self.keys.remove(id);
    }

    /// Makes a video known, or replaces what is known of it.
    pub fn insert_video(&mut self, uid: VideoId, policy: VideoPolicy) {
        self.videos.insert(uid, policy);
    }

    /// Forgets a video.
    pub fn remove_video(&mut self, uid: &VideoId) {
        self.videos.remove(uid);
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

    pub(crate) fn video(&self, uid: &VideoId) -> Option<&VideoPolicy> {
        self.videos.get(uid)
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalogue({} keys, {} videos)", self.key_count(), self.video_count())
    }
}
