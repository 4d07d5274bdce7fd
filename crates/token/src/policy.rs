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

    /// This video, as private as `earlier` has it too, where both are of one account. Sites that only one of them lists are
    /// not allowed; where they have none in common, it is for those of `earlier`.
    #[must_use]
    pub fn stricter(&self, earlier: &Self) -> Self {
        if self.account != earlier.account {
            return self.clone();
        }
        Self {
            account: self.account.clone(),
            require_signed_urls: self.require_signed_urls || earlier.require_signed_urls,
            allowed_origins: common_origins(&self.allowed_origins, &earlier.allowed_origins),
            downloads: self.downloads && earlier.downloads,
            dry_run: match (self.dry_run, earlier.dry_run) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                (None, _) | (_, None) => None,
            },
            origin: self.origin.clone(),
        }
    }
}

/// None listed means all, which is why nothing in common is not the answer.
fn common_origins(new: &[AllowedOrigin], earlier: &[AllowedOrigin]) -> Vec<AllowedOrigin> {
    let common: Vec<_> = new.iter().filter(|origin| earlier.contains(origin)).cloned().collect();
    match (common.is_empty(), earlier.is_empty()) {
        (false, _) => common,
        (true, true) => new.to_vec(),
        (true, false) => earlier.to_vec(),
    }
}

impl Default for Limits {
    /// Five rules, as Cloudflare Stream documents, no limit on the lifetime, and an origin where one is demanded.
    fn default() -> Self {
        Self { max_access_rules: 5, max_token_lifetime: None, allow_missing_origin: false }
    }
}

impl Terms<'_> {
    /// Whether viewers of the video are decided and recorded but not refused.
    #[must_use]
    pub fn video_is_dry_run(&self) -> bool {
        self.video.is_some_and(|video| self.is_dry_run(video))
    }

    pub(crate) fn is_dry_run(&self, video: &VideoPolicy) -> bool {
        video.dry_run.unwrap_or(self.account.dry_run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_two_policies() {
        let check = |new: &str, earlier: &str, expected: &str| {
            assert_eq!(policy(new).stricter(&policy(earlier)), policy(expected), "{new:?} after {earlier:?}");
        };
        check("", "", "");
        check("public downloads", "", "");
        check("public downloads", "public downloads", "public downloads");
        check("", "public downloads", "");
        check("", "a.example", "a.example");
        check("a.example", "", "a.example");
        check("a.example b.example", "b.example c.example", "b.example");
        check("a.example", "b.example", "b.example");
        check("dry", "dry", "dry");
        check("dry", "", "");
        check("", "dry", "");
        check("dry", "wet", "wet");
        check("wet", "dry", "wet");
        check("wet", "", "wet");
        let elsewhere = VideoPolicy::private("other".parse().unwrap());
        assert_eq!(policy("public").stricter(&elsewhere), policy("public"), "it is another video");
        let moved = VideoPolicy { origin: Some("bucket".parse().unwrap()), ..policy("") };
        assert_eq!(moved.stricter(&policy("")), moved);
    }

    fn policy(text: &str) -> VideoPolicy {
        let mut policy = VideoPolicy::private("ours".parse().unwrap());
        for word in text.split_whitespace() {
            match word {
                "public" => policy.require_signed_urls = false,
                "downloads" => policy.downloads = true,
                "dry" => policy.dry_run = Some(true),
                "wet" => policy.dry_run = Some(false),
                site => policy.allowed_origins.push(site.parse().unwrap()),
            }
        }
        policy
    }
}
