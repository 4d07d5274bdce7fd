//! Names of accounts, videos, keys and tokens.
//!
//! Each is its own type, so that two of them cannot be swapped, and each is made only by parsing.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use arrayvec::{ArrayString, ArrayVec};

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// A character outside `A-Z a-z 0-9 _ -`.
    #[error("`{}` at position {position} is not allowed; use letters, digits, `_` and `-`", .character.escape_debug())]
    Character {
        /// The first character that is not allowed.
        character: char,
        /// Its position, counted in characters from 0.
        position: usize,
    },
    /// No character at all.
    #[error("it is empty")]
    Empty,
    /// More characters than an id may have.
    #[error("it has {length} characters, more than {max}")]
    TooLong {
        /// How many characters the text has.
        length: usize,
        /// How many it may have.
        max: usize,
    },
}

fn check(text: &str, max: usize) -> Result<(), IdError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=max).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    let length = text.chars().count();
    if length > max {
        return Err(IdError::TooLong { length, max });
    }
    match text.chars().enumerate().find(|(_, c)| !u8::try_from(*c).is_ok_and(allowed)) {
        Some((position, character)) => Err(IdError::Character { character, position }),
        None => Err(IdError::Empty),
    }
}

/// 128 random bits as hex digits.
fn random_hex<const MAX: usize>() -> ArrayString<MAX> {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    let mut text = ArrayString::new();
    for byte in random() {
        text.push(digit(byte >> 4));
        text.push(digit(byte));
    }
    text
}

/// Random bytes, of which many are drawn at once: the generator asks the processor for entropy at each draw, which takes longer than
/// a kilobyte of them. A thread gives none out twice; one that goes on in a forked process does.
fn random() -> [u8; 16] {
    const DRAWN: usize = 1024;
    thread_local! {
        static BYTES: RefCell<ArrayVec<u8, DRAWN>> = const { RefCell::new(ArrayVec::new_const()) };
    }
    BYTES.with_borrow_mut(|bytes| {
        if bytes.is_empty() {
            let mut drawn = [0; DRAWN];
            aws_lc_rs::rand::fill(&mut drawn).expect("the system has randomness");
            *bytes = ArrayVec::from(drawn);
        }
        let left = bytes.len() - 16;
        let taken = std::array::from_fn(|at| bytes[left + at]);
        bytes.truncate(left);
        taken
    })
}

/// A text that was found short enough.
fn in_place<const MAX: usize>(text: &str) -> ArrayString<MAX> {
    ArrayString::from(text).expect("no id is longer than it may be")
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        ///
        #[doc = concat!("1 to ", $max, " letters, digits, `_` and `-`.")]
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(ArrayString<$max>); // Short enough to be copied, and a decision is to allocate nothing.

        impl $name {
            /// The longest text that is still such an id, in characters.
            pub const MAX: usize = $max;

            /// A new id: 128 random bits as 32 hex digits.
            ///
            /// A process that is forked from one that made ids may make the same ones: fork first.
            #[must_use]
            pub fn random() -> Self {
                Self(random_hex())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text, Self::MAX)?;
                Ok(Self(in_place(text)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// A tenant, who owns keys and videos.
    AccountId,
    32
);
id!(
    /// One title with all its files: the `uid` of the API and the `sub` of a token.
    VideoId,
    32
);
id!(
    /// A signing key: the `kid` of a token.
    KeyId,
    64
);
id!(
    /// One token: its `jti` (RFC 7519, section 4.1.7).
    TokenId,
    64
);
id!(
    /// One revocation.
    RevocationId,
    32
);
id!(
    /// One request to the issuer, in its answer and in the log.
    RequestId,
    32
);
id!(
    /// A place that has the files of videos, as the configuration of the gate calls it.
    OriginName,
    32
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        check("ea95132c15732412d22c1476fa83f27a", Ok(()));
        check("A_b-9", Ok(()));
        check("", Err(IdError::Empty));
        check("ea95132c15732412d22c1476fa83f27a0", Err(IdError::TooLong { length: 33, max: 32 }));
        check("a.b", Err(IdError::Character { character: '.', position: 1 }));
        check("../etc", Err(IdError::Character { character: '.', position: 0 }));
        check("a\0", Err(IdError::Character { character: '\0', position: 1 }));
        check("а", Err(IdError::Character { character: 'а', position: 0 }));
    }

    #[test]
    fn a_refused_character_stays_on_its_line() {
        let error = "a\n".parse::<VideoId>().unwrap_err();
        assert_eq!(error.to_string(), r"`\n` at position 1 is not allowed; use letters, digits, `_` and `-`");
    }

    #[test]
    fn a_random_id_is_an_id_and_no_other() {
        let (one, other) = (VideoId::random(), VideoId::random());
        check(one.as_str(), Ok(()));
        assert_eq!(one.as_str().len(), 32);
        assert_ne!(one, other);
    }

    #[test]
    fn no_random_id_is_given_out_twice() {
        let of_thread = || (0..1000).map(|_| VideoId::random()).collect::<Vec<_>>();
        let threads = [(); 4].map(|()| std::thread::spawn(of_thread));
        let ids: BTreeSet<VideoId> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 4000);
        assert!(ids.iter().all(|id| id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(), IdError>) {
        assert_eq!(text.parse::<VideoId>().map(|_| ()), expected);
    }
}
