//! Tokens that are taken back before their end.
//!
//! A revocation is about one subject of one account: a token, whatever names itself so (`jti`), a viewer, a video, or a
//! key. A gate finds it by a [`RevocationMark`], of which each token has one for each of its subjects.

use std::fmt;
use std::time::Duration;

use arrayvec::ArrayVec;
use aws_lc_rs::digest::{SHA256, digest};

use crate::claims::SignedClaims;
use crate::id::{AccountId, KeyId, TokenId, VideoId};
use crate::jws::TokenDigest;
use crate::time::UnixTime;
use crate::viewer_id::{ViewerId, ViewerVersion};

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokedSubject {
    /// One token, by what was signed: another signature under the same text is the same token.
    Token(TokenDigest),
    /// Every token of that `jti`.
    TokenId(TokenId),
    /// Every token of that `viewer`.
    Viewer(ViewerId),
    /// Every token for that video.
    Video(VideoId),
    /// Every token that this key signed.
    Key(KeyId),
}

/// The kind of a [`RevokedSubject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// One token.
    Token,
    /// A `jti`.
    TokenId,
    /// A viewer.
    Viewer,
    /// A video.
    Video,
    /// A key.
    Key,
}

/// How many of its subject's tokens a revocation takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationExtent {
    /// All of them.
    All,
    /// Those of this version of the viewer and of earlier ones. A token that names no version is of the earliest.
    Versions(ViewerVersion),
    /// Those that were issued before then. A token that does not say when it was issued counts as issued before, and so does
    /// one that says it will be.
    IssuedBefore(UnixTime),
}

/// How many of its subject's tokens a revocation takes back, and until when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many.
    pub extent: RevocationExtent,
    /// When the last of them is over, and the revocation too; `None` where that is not known.
    pub until: Option<UnixTime>,
}

/// How far a clock may be ahead that says when tokens were issued.
const SKEW: Duration = Duration::from_secs(60);

/// What is known of whether a token was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was not.
    Good,
    /// A revocation of this kind takes it back.
    Revoked(RevocationKind),
    /// Nobody can tell: whoever decides has not heard of revocations for too long.
    Unknown,
}

/// Under what a gate finds a revocation: a hash of account and subject.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationMark([u8; 16]);

/// How long what is hashed may be, in bytes: an account, a kind and the longest of subjects, and what is between them.
const LONGEST_MARKED: usize = AccountId::MAX + ViewerId::MAX + 16;

/// The marks of all subjects of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMarks(ArrayVec<(RevocationKind, RevocationMark), { RevocationKind::ALL.len() }>);

impl RevokedSubject {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RevocationKind {
        match self {
            Self::Token(_) => RevocationKind::Token,
            Self::TokenId(_) => RevocationKind::TokenId,
            Self::Viewer(_) => RevocationKind::Viewer,
            Self::Video(_) => RevocationKind::Video,
            Self::Key(_) => RevocationKind::Key,
        }
    }

    /// Under what a gate finds a revocation of it.
    #[must_use]
    pub fn mark(&self, account: &AccountId) -> RevocationMark {
        let value = match self {
            Self::Token(digest) => digest.as_bytes(),
            Self::TokenId(id) => id.as_str().as_bytes(),
            Self::Viewer(id) => id.as_str().as_bytes(),
            Self::Video(id) => id.as_str().as_bytes(),
            Self::Key(id) => id.as_str().as_bytes(),
        };
        let mut text = ArrayVec::<u8, LONGEST_MARKED>::new();
        // No id has a NUL, and what may have one comes last, so no two of them are hashed alike.
        for part in [account.as_str().as_bytes(), b"\0", self.kind().name().as_bytes(), b"\0", value] {
            text.try_extend_from_slice(part).expect("each part has a bound");
        }
        RevocationMark(digest(&SHA256, &text).as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl RevocationKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Token, Self::TokenId, Self::Viewer, Self::Video, Self::Key];

    /// Its stable name, which is that of the member of a request.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::TokenId => "jti",
            Self::Viewer => "viewer",
            Self::Video => "video",
            Self::Key => "kid",
        }
    }
}

impl fmt::Display for RevocationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl RevocationExtent {
    /// Whether a token with these claims, of the revocation's subject, is taken back.
    fn covers(self, claims: &SignedClaims, now: UnixTime) -> bool {
        match self {
            Self::All => true,
            Self::Versions(latest) => claims.viewer_version().is_none_or(|version| version <= latest),
            Self::IssuedBefore(time) => {
                claims.issued_at().is_none_or(|issued| issued < time || issued > now.plus(SKEW))
            }
        }
    }
}

impl Taken {
    /// Whether a token with these claims, of the revocation's subject, is taken back now.
    #[must_use]
    pub fn covers(self, claims: &SignedClaims, now: UnixTime) -> bool {
        self.until.is_none_or(|until| now < until) && self.extent.covers(claims, now)
    }
}

impl RevocationMark {
    /// The mark as hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// The mark of 32 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Debug for RevocationMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationMark({})", self.to_hex())
    }
}

impl TokenMarks {
    /// The marks of a token of `account`.
    #[must_use]
    pub fn of(account: &AccountId, claims: &SignedClaims) -> Self {
        let subjects = [
            Some(RevokedSubject::Token(claims.digest())),
            claims.token_id().cloned().map(RevokedSubject::TokenId),
            claims.viewer().cloned().map(RevokedSubject::Viewer),
            Some(RevokedSubject::Video(claims.video().clone())),
            Some(RevokedSubject::Key(claims.key_id().clone())),
        ];
        Self(subjects.into_iter().flatten().map(|subject| (subject.kind(), subject.mark(account))).collect())
    }

    /// How a token with these marks and `claims` stands. `find` knows the revocations.
    pub fn standing<'r>(
        &self,
        claims: &SignedClaims,
        now: UnixTime,
        find: impl Fn(RevocationMark) -> &'r [Taken],
    ) -> Standing {
        let covers = |mark| find(mark).iter().any(|taken| taken.covers(claims, now));
        let revoked = self.iter().find_map(|(kind, mark)| covers(mark).then_some(kind));
        revoked.map_or(Standing::Good, Standing::Revoked)
    }

    /// Each of them, with the kind of its subject.
    pub fn iter(&self) -> impl Iterator<Item = (RevocationKind, RevocationMark)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Claims;

    const NOW: UnixTime = UnixTime(1000);

    #[test]
    fn no_two_subjects_have_one_mark() {
        let (one, other) = ("a1".parse().unwrap(), "a2".parse().unwrap());
        let subjects = [
            RevokedSubject::TokenId("x".parse().unwrap()),
            RevokedSubject::Viewer("x".parse().unwrap()),
            RevokedSubject::Viewer("xx".parse().unwrap()),
            RevokedSubject::Video("x".parse().unwrap()),
            RevokedSubject::Key("x".parse().unwrap()),
        ];
        let mut marks: Vec<RevocationMark> =
            [one, other].iter().flat_map(|account| subjects.iter().map(|subject| subject.mark(account))).collect();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), 2 * subjects.len());
    }

    #[test]
    fn a_token_has_a_mark_for_each_of_its_subjects() {
        let account: AccountId = "a1".parse().unwrap();
        let full = signed(Claims {
            token_id: Some("j1".parse().unwrap()),
            viewer: Some("alice@example.com".parse().unwrap()),
            ..claims()
        });
        let kinds = |claims| TokenMarks::of(&account, claims).iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(kinds(&full), RevocationKind::ALL);
        assert_eq!(kinds(&signed(claims())), [RevocationKind::Token, RevocationKind::Video, RevocationKind::Key]);
        let viewer = RevokedSubject::Viewer("alice@example.com".parse().unwrap()).mark(&account);
        assert!(TokenMarks::of(&account, &full).iter().any(|(_, mark)| mark == viewer));
    }

    #[test]
    fn an_extent_covers_what_it_says_and_what_does_not_say_enough() {
        let version = |version: Option<u32>| signed(Claims { viewer_version: version.map(ViewerVersion), ..claims() });
        for (token, covered) in [(None, true), (Some(0), true), (Some(7), true), (Some(8), false)] {
            assert_eq!(RevocationExtent::Versions(ViewerVersion(7)).covers(&version(token), NOW), covered, "{token:?}");
        }
        let issued = |time: Option<i64>| signed(Claims { issued_at: time.map(UnixTime), ..claims() });
        for (token, covered) in
            [(None, true), (Some(99), true), (Some(100), false), (Some(1060), false), (Some(1061), true)]
        {
            assert_eq!(RevocationExtent::IssuedBefore(UnixTime(100)).covers(&issued(token), NOW), covered, "{token:?}");
        }
        assert!(RevocationExtent::All.covers(&version(Some(8)), NOW));
    }

    #[test]
    fn a_revocation_ends() {
        let taken = |until: Option<i64>| Taken { extent: RevocationExtent::All, until: until.map(UnixTime) };
        for (until, now, covered) in [(None, 1000, true), (Some(100), 99, true), (Some(100), 100, false)] {
            assert_eq!(taken(until).covers(&signed(claims()), UnixTime(now)), covered, "{until:?} {now}");
        }
    }

    fn claims() -> Claims {
        Claims::new("v1".parse().unwrap(), UnixTime(1_800_000_000))
    }

    fn signed(claims: Claims) -> SignedClaims {
        SignedClaims::new("k1".parse().unwrap(), TokenDigest::of("h.p"), claims)
    }
}
