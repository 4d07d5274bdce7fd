//! Tokens whose signature was found good before.
//!
//! Only that is remembered, never a decision: key, time, rules and origin are looked at again on every request. What
//! failed is not remembered, or anybody could fill the memory with garbage.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use vidpass_token::{AccountId, PublicKey, SignedClaims, TokenFingerprint, TokenMarks};

/// What a token weighs beside its text, in bytes: claims of typical size and the cache's own slots.
const OVERHEAD: u64 = 1024;

/// What one token typically weighs, in bytes. A hint for the cache's tables, not a bound.
const TYPICAL_WEIGHT: u64 = OVERHEAD + 900;

/// A token that was verified, and the key that it was verified with.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) claims: SignedClaims,
    pub(crate) fingerprint: TokenFingerprint,
    pub(crate) key: PublicKey,
    /// The account that the key is of.
    pub(crate) account: AccountId,
    /// Under what it may have been taken back.
    pub(crate) marks: TokenMarks,
}

/// Bounded by memory, keyed by the exact text of the token: only one spelling of a token is accepted.
pub(crate) struct Seen(Cache<Box<str>, Arc<Verified>, ByBytes>);

#[derive(Clone)]
struct ByBytes;

impl Seen {
    /// Remembers about `max_bytes` worth of tokens.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let items = usize::try_from(max_bytes / TYPICAL_WEIGHT).unwrap_or(usize::MAX).max(1);
        Self(Cache::with_weighter(items, max_bytes, ByBytes))
    }

    /// The token, if it was verified before. Whether its key is still live is for the caller to see.
    pub(crate) fn get(&self, token: &str) -> Option<Arc<Verified>> {
        self.0.get(token)
    }

    pub(crate) fn remember(&self, token: &str, verified: Arc<Verified>) {
        self.0.insert(token.into(), verified);
    }

    pub(crate) fn forget(&self, token: &str) {
        self.0.remove(token);
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Weighter<Box<str>, Arc<Verified>> for ByBytes {
    fn weight(&self, token: &Box<str>, verified: &Arc<Verified>) -> u64 {
        // An access rule holds at most one network or country per 5 bytes of text, each of up to 18 bytes in memory.
        let claims = if verified.claims.access_rules().is_empty() { 0 } else { 4 * token.len() };
        OVERHEAD + (token.len() + claims) as u64
    }
}

#[cfg(test)]
mod tests {
    use vidpass_token::{Algorithm, Claims, SigningKey, UnixTime, UnverifiedToken};

    use super::*;

    #[test]
    fn memory_is_bounded_and_the_exact_text_counts() {
        let key = SigningKey::generate(Algorithm::Rs256, "k".parse().unwrap()).unwrap();
        let token = key.sign(&Claims::new("v".parse().unwrap(), UnixTime(2_000_000_000))).unwrap();
        let unverified = UnverifiedToken::parse(token.as_str()).unwrap();
        let fingerprint = unverified.fingerprint();
        let claims = unverified.verify(key.public()).unwrap();
        let account = "a".parse().unwrap();
        let marks = TokenMarks::of(&account, &claims);
        let verified = Arc::new(Verified { claims, fingerprint, key: key.public().clone(), account, marks });

        let seen = Seen::new(100_000);
        for number in 0..1000 {
            seen.remember(&format!("{}{number}", token.as_str()), Arc::clone(&verified));
        }
        assert!(seen.0.weight() <= 110_000 && seen.0.len() > 10, "{} in {}", seen.0.weight(), seen.0.len());

        seen.remember(token.as_str(), Arc::clone(&verified));
        assert!(seen.get(token.as_str()).is_some());
        assert!(seen.get(&format!("{}=", token.as_str())).is_none());
        seen.forget(token.as_str());
        assert!(seen.get(token.as_str()).is_none());
    }
}
