//! Signed URL tokens for video: claims, keys, access rules, and the decision that a token leads to.
//!
//! Bytes, keys and `now` go in; a value or a precise refusal comes out. Nothing here reads a clock, a file, the
//! network or the environment, and no claim leaves before its signature was found good, but for the `kid` that picks
//! the key.
//!
//! ```
//! use std::time::Duration;
//! use vidpass_token::{Algorithm,
//!     AccountPolicy, Ask, Asset, Claims, Country, Limits, SigningKey, Standing, Terms, UnixTime, UnverifiedToken, VideoPolicy, Viewer,
//! };
//!
//! let now = UnixTime(1_800_000_000);
//! let key = SigningKey::generate(Algorithm::Rs256, "key-1".parse()?)?;
//! let token = key.sign(&Claims::new("video-1".parse()?, now.plus(Duration::from_secs(3600))))?;
//!
//! let unverified = UnverifiedToken::parse(token.as_str())?;
//! assert_eq!(unverified.key_id(), key.id());
//! let claims = unverified.verify(key.public())?;
//!
//! let account = "account-1".parse()?;
//! let video = VideoPolicy::private(account);
//! let viewer = Viewer::new("192.0.2.7".parse()?, Country::Unknown, None);
//! let ask = Ask { viewer: &viewer, named: None, asset: Asset::Media, now };
//! let (owner, limits) = (AccountPolicy::default(), Limits::default());
//! let terms = Terms { video: Some(&video), account: &owner, limits: &limits };
//! let permit = claims.admit(&video.account, &terms, Standing::Good, &ask)?;
//! assert_eq!(permit.video().as_str(), "video-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod chain;
mod checks;
mod claims;
mod decision;
mod denial;
mod explain;
mod id;
pub mod json;
mod jws;
mod key;
mod origin;
mod path;
mod policy;
mod revocation;
mod time;
mod viewer;
mod viewer_id;

pub use access::{
    AccessRule, Action, CountryCode, CountryError, Matcher, Network, NetworkError, RuleProblem, RuleProblemKind,
    parse_rules, restricts_nobody,
};
pub use chain::Chain;
pub use checks::Check;
pub use claims::{Claims, Flags, SignedClaims};
pub use decision::{Ask, Asset, Permit, admit_without_token};
pub use denial::{Denial, HeaderProblem};
pub use explain::{Explanation, Failure, Finding, Inspected, Inspection, KnownKey, MatchedRule, Outcome, Rehearsal};
pub use id::{AccountId, IdError, KeyId, OriginName, RequestId, RevocationId, TokenId, VideoId};
pub use jws::{
    MAX_TOKEN_LENGTH, MalformedToken, SignError, Token, TokenDigest, TokenFingerprint, UnsignedToken, UnverifiedToken,
    VerifyError,
};
pub use key::{Algorithm, AlgorithmError, KeyError, PublicKey, RsaParts, SigningKey, Weakness};
pub use origin::{AllowedOrigin, OriginError, RequestOrigin, RequestOriginError, host_and_port};
pub use path::{Credential, FilePath, MAX_PATH_LENGTH, MAX_QUERY_LENGTH, MediaPath, PathError, is_segment};
pub use policy::{AccountPolicy, Limits, Terms, VideoPolicy};
pub use revocation::{RevocationExtent, RevocationKind, RevocationMark, RevokedSubject, Standing, Taken, TokenMarks};
pub use time::{Clock, UnixTime};
pub use viewer::{Country, Embedding, Viewer};
pub use viewer_id::{ViewerId, ViewerIdError, ViewerVersion};
