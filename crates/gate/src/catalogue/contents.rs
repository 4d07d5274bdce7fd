//! What is in a catalogue, for whoever keeps it on a disk.

use vidpass_token::{AccountId, AccountPolicy, KeyId, PublicKey, RevocationMark, Taken, VideoId, VideoPolicy};

use super::Catalogue;

impl Catalogue {
    /// The live keys.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &AccountId, &PublicKey)> {
        self.keys.iter().map(|(id, key)| (id, &key.account, &key.public))
    }

    /// The keys that were deleted.
    pub fn deleted_keys(&self) -> impl Iterator<Item = &KeyId> {
        self.deleted_keys.iter().map(|(id, ())| id)
    }

    /// The videos.
    pub fn videos(&self) -> impl Iterator<Item = (&VideoId, &VideoPolicy)> {
        self.videos.iter()
    }

    /// The videos that were deleted.
    pub fn deleted_videos(&self) -> impl Iterator<Item = &VideoId> {
        self.deleted_videos.iter().map(|(uid, ())| uid)
    }

    /// The accounts that say anything.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Option<AccountPolicy>)> {
        self.accounts.iter()
    }

    /// What is taken back.
    pub fn revocations(&self) -> impl Iterator<Item = (&RevocationMark, &[Taken])> {
        self.revocations.iter().map(|(mark, taken)| (mark, &**taken))
    }

    /// What was taken back, and the store no longer knows it.
    pub fn lost_revocations(&self) -> impl Iterator<Item = (&RevocationMark, &[Taken])> {
        self.lost_revocations.iter().map(|(mark, taken)| (mark, &**taken))
    }

    /// Puts back what was among [`Self::lost_revocations`].
    pub fn insert_lost_revocations(&mut self, mark: RevocationMark, taken: Box<[Taken]>) {
        self.lost_revocations.insert(mark, taken);
    }
}
