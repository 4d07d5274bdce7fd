//! Who a token was issued to, as its issuer knows them.

use std::fmt;
use std::str::FromStr;

/// A viewer by a name of the issuer's: the claim `viewer`. 1 to 128 visible ASCII characters, such as
/// `alice@example.com` or a user's number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewerId(Box<str>);

/// Which of a viewer's tokens one is: the claim `viewerVersion`. An issuer that raises it can take back all earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewerVersion(pub u32);

/// Why a text is not a [`ViewerId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 visible ASCII characters")]
pub struct ViewerIdError;

impl ViewerId {
    /// The longest text that is still such an id, in characters.
    pub const MAX: usize = 128;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ViewerId {
    type Err = ViewerIdError;

    fn from_str(text: &str) -> Result<Self, ViewerIdError> {
        let good = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self(text.into())) } else { Err(ViewerIdError) }
    }
}

impl fmt::Display for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewerId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_has_a_short_visible_name() {
        for good in ["7", "alice@example.com", "https://id.example/7?x#y", &"x".repeat(128)] {
            assert_eq!(good.parse::<ViewerId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", " ", "a b", "a\n", "a\0", "é", &"x".repeat(129)] {
            assert_eq!(bad.parse::<ViewerId>(), Err(ViewerIdError), "{bad:?}");
        }
    }
}
