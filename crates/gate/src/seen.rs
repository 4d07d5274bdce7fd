//! Tokens whose signature was found good before.
//!
//! Only that is remembered, never a decision: key, time, rules and origin are looked at again on every request. What
//! failed is not remembered, or anybody could fill the memory with garbage.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, OnceLock};

use quick_cache::sync::{Cache, DefaultLifecycle, GuardResult, PlaceholderGuard};
use quick_cache::{DefaultHashBuilder, Weighter};
use vidpass_token::{AccountId, PublicKey, SignedClaims, TokenFingerprint, TokenMarks};

/// What a token weighs beside its text, in bytes: claims of typical size and the cache's own slots.
const OVERHEAD: u64 = 1024;

/// What one token typically weighs, in bytes. A hint for the cache's tables, not a bound.
const TYPICAL_WEIGHT: u64 = OVERHEAD + 900;

/// A token that was verified, and the key that it was verified with.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) claims: SignedClaims,
    pub(crate) key: PublicKey,
    /// The account that the key is of.
    pub(crate) account: AccountId,
    marks: OnceLock<TokenMarks>,
}

/// Bounded by memory, keyed by the exact text of the token: only one spelling of a token is accepted.
pub(crate) struct Seen(Cache<String, Arc<Verified>, ByBytes, ByEnd>);

/// The place of a token that is not remembered. Until it is filled or dropped, whoever else looks the token up waits: of all who
/// come with a new one at once, one checks its signature.
pub(crate) struct Place<'a>(
    PlaceholderGuard<'a, String, Arc<Verified>, ByBytes, ByEnd, DefaultLifecycle<String, Arc<Verified>>>,
);

#[derive(Clone)]
pub(crate) struct ByBytes;

/// Hashes a text by its end. That of a token is of its signature, and no two that are good have one end; of texts that are no
/// tokens, no more are in the cache than are being checked.
#[derive(Clone, Default)]
pub(crate) struct ByEnd(DefaultHashBuilder);

pub(crate) struct EndHasher<H>(H);

/// How much of a text is hashed, in bytes: 96 bits of a signature, which nobody chooses, and as much as is hashed in one step. The cache
/// asks for the hash of what it drops too, and that lies in memory that nobody has looked at for long.
const HASHED_END: usize = 16;

impl Verified {
    pub(crate) fn new(claims: SignedClaims, key: PublicKey, account: AccountId) -> Self {
        Self { claims, key, account, marks: OnceLock::new() }
    }

    pub(crate) fn fingerprint(&self) -> TokenFingerprint {
        self.claims.digest().fingerprint()
    }

    /// Under what it may have been taken back. They are hashed when somebody asks for them first.
    pub(crate) fn marks(&self) -> &TokenMarks {
        self.marks.get_or_init(|| TokenMarks::of(&self.account, &self.claims))
    }
}

impl Seen {
    /// Remembers about `max_bytes` worth of tokens.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let items = usize::try_from(max_bytes / TYPICAL_WEIGHT).unwrap_or(usize::MAX).max(1);
        Self(Cache::with(items, max_bytes, ByBytes, ByEnd::default(), DefaultLifecycle::default()))
    }

    /// The token, if it was verified before, or its place. Whether its key is still live is for the caller to see.
    pub(crate) fn find(&self, token: &str) -> Result<Arc<Verified>, Place<'_>> {
        match self.0.get_value_or_guard(token, None) {
            GuardResult::Value(verified) => Ok(verified),
            GuardResult::Guard(place) => Err(Place(place)),
            GuardResult::Timeout => unreachable!("it waits as long as it takes"),
        }
    }

    pub(crate) fn remember(&self, token: &str, verified: Arc<Verified>) {
        self.0.insert(token.to_owned(), verified);
    }

    pub(crate) fn forget(&self, token: &str) {
        self.0.remove(token);
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Place<'_> {
    pub(crate) fn fill(self, verified: Arc<Verified>) {
        // It fails where the token is remembered or forgotten meanwhile, which is as well.
        drop(self.0.insert(verified));
    }
}

impl Weighter<String, Arc<Verified>> for ByBytes {
    fn weight(&self, token: &String, verified: &Arc<Verified>) -> u64 {
        // An access rule holds at most one network or country per 5 bytes of text, each of up to 18 bytes in memory.
        let claims = if verified.claims.access_rules().is_empty() { 0 } else { 4 * token.len() };
        OVERHEAD + (token.len() + claims) as u64
    }
}

impl BuildHasher for ByEnd {
    type Hasher = EndHasher<<DefaultHashBuilder as BuildHasher>::Hasher>;

    fn build_hasher(&self) -> Self::Hasher {
        EndHasher(self.0.build_hasher())
    }
}

impl<H: Hasher> Hasher for EndHasher<H> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(&bytes[bytes.len().saturating_sub(HASHED_END)..]);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use vidpass_token::{Algorithm, Claims, SigningKey, UnixTime, UnverifiedToken};

    use super::*;

    #[test]
    fn of_all_who_come_with_a_new_token_at_once_one_checks_it() {
        let (token, verified) = verified();
        let (seen, checks) = (Seen::new(100_000), AtomicUsize::new(0));
        let check = || match seen.find(&token) {
            Ok(_) => {}
            Err(place) => {
                // The first one fails.
                let number = checks.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(50));
                if number > 0 {
                    place.fill(Arc::clone(&verified));
                }
            }
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(check))));
        assert_eq!(checks.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn memory_is_bounded_and_the_exact_text_counts() {
        let (token, verified) = verified();
        let seen = Seen::new(100_000);
        for number in 0..1000 {
            seen.remember(&format!("{token}{number}"), Arc::clone(&verified));
        }
        assert!(seen.0.weight() <= 110_000 && seen.0.len() > 10, "{} in {}", seen.0.weight(), seen.0.len());

        seen.remember(&token, verified);
        assert!(seen.find(&token).is_ok());
        assert!(seen.find(&format!("{token}=")).is_err());
        seen.forget(&token);
        assert!(seen.find(&token).is_err());
    }

    #[test]
    fn a_text_with_the_signature_of_another_is_another() {
        let (token, verified) = verified();
        let seen = Seen::new(100_000);
        seen.remember(&token, verified);
        let forged = format!("e30.e30.{}", token.rsplit('.').next().unwrap());
        let hasher = ByEnd::default();
        assert_eq!(hasher.hash_one(&forged), hasher.hash_one(&token));
        let place = seen.find(&forged);
        assert!(place.is_err() && seen.find(&token).is_ok());
        drop(place);
        assert!(seen.find(&forged).is_err() && seen.find(&token).is_ok());
    }

    fn verified() -> (String, Arc<Verified>) {
        let key = SigningKey::generate(Algorithm::Rs256, "k".parse().unwrap()).unwrap();
        let token = key.sign(&Claims::new("v".parse().unwrap(), UnixTime(2_000_000_000))).unwrap();
        let unverified = UnverifiedToken::parse(token.as_str()).unwrap();
        let claims = unverified.verify(key.public()).unwrap();
        let verified = Arc::new(Verified::new(claims, key.public().clone(), "a".parse().unwrap()));
        (token.as_str().to_owned(), verified)
    }
}
