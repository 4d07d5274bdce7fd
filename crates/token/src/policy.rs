//! What the catalogue and a gate's settings say, beside what a token says.

use std::time::Duration;

use crate::id::{AccountId, OriginName};
use crate::origin::AllowedOrigin;

/// What the catalogue says about one video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPolicy {
    /// Who owns it.
    pub account: AccountId,
    /// Whether it needs a token.
    pub require_signed_urls: bool,
    /// The sites on which it may be embedded; none listed means all.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Whether its MP4 is offered for download at all.
    pub downloads: bool,
    /// Whether viewers are decided and recorded but not refused; `None` is as the account says.
    pub dry_run: Option<bool>,
    /// The origin that has its files; `None` is as the account says.
    pub origin: Option<OriginName>,
}

/// What the catalogue says about one account, for those of its videos that do not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountPolicy {
    /// Whether viewers are decided and recorded but not refused.
    pub dry_run: bool,
    /// The origin that has the files; `None` is the gate's own folder.
    pub origin: Option<OriginName>,
}

/// What a gate accepts beyond the rules of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many access rules a token may have.
    pub max_access_rules: usize,
    /// How far in the future `exp` may lie; `None` is no limit.
    pub max_token_lifetime: Option<Duration>,
    /// Whether a video with `allowedOrigins` is for viewers on no page too, such as apps.
    pub allow_missing_origin: bool,
}

/// What is known beside the token when it is decided.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The video; `None` where the catalogue lacks it, which is a refusal.
    pub video: Option<&'a VideoPolicy>,
    /// The account that owns the video.
    pub account: &'a AccountPolicy,
    /// The gate's settings.
    pub limits: &'a Limits,
}

impl VideoPolicy {
    /// A video that needs a token, may be embedded anywhere, and is not offered for download.
    #[must_use]
    pub fn private(account: AccountId) -> Self {
        Self {
            account,
            require_signed_urls: true,
            allowed_origins: Vec::new(),
            downloads: false,
            dry_run: None,
            origin: None,
        }
    }
}

impl Default for Limits {
    /// Five rules, as Cloudflare Stream documents, no limit on the lifetime, and an origin where one is demanded.
    fn default() -> Self {
        Self { max_access_rules: 5, max_token_lifetime: None, allow_missing_origin: false }
    }
}

impl Terms<'_> {
    pub(crate) fn is_dry_run(&self, video: &VideoPolicy) -> bool {
        video.dry_run.unwrap_or(self.account.dry_run)
    }
}
