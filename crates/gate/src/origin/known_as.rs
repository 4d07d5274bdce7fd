//! Where manifests may say that a video's own files are.

use std::fmt;
use std::str::FromStr;

use vidpass_token::Permit;

use super::address::{OriginUrl, OriginUrlError};
use super::template::{PathTemplate, TemplateError};
use crate::manifest::Home;

/// A URL of earlier days, such as that of a CDN, with `{account}` and `{uid}` in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAs {
    base: OriginUrl,
    path: PathTemplate,
}

/// Why a text is not such a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KnownAsError {
    /// What stands before the path.
    #[error(transparent)]
    Base(#[from] OriginUrlError),
    /// The path.
    #[error(transparent)]
    Path(#[from] TemplateError),
}

/// The folder of the permitted video below `base`; `None` where the address has what URLs are not compared by.
pub(super) fn below(base: &OriginUrl, path: &PathTemplate, permit: &Permit) -> Option<Home> {
    format!("{}{}/{}/", base.host(), base.path(), path.of(permit)).parse().ok()
}

/// The same folder on whatever host the manifest is on.
pub(super) fn without_host(path: &PathTemplate, permit: &Permit) -> Option<Home> {
    format!("/{}/", path.of(permit)).parse().ok()
}

impl KnownAs {
    pub(super) fn home(&self, permit: &Permit) -> Option<Home> {
        below(&self.base, &self.path, permit)
    }
}

impl FromStr for KnownAs {
    type Err = KnownAsError;

    fn from_str(text: &str) -> Result<Self, KnownAsError> {
        let authority = text.find("://").ok_or(OriginUrlError::NotAUrl)? + 3;
        let (base, path) = match text[authority..].find('/') {
            Some(slash) => (&text[..authority + slash], &text[authority + slash + 1..]),
            None => (text, ""),
        };
        Ok(Self { base: base.parse()?, path: path.strip_suffix('/').unwrap_or(path).parse()? })
    }
}

impl fmt::Display for KnownAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.base, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_placeholders_is_read() {
        for (text, shown) in [
            ("https://CDN.example.com/vod/{uid}/", "https://cdn.example.com/vod/{uid}/"),
            ("http://cdn.example.com:8080/{account}/{uid}", "http://cdn.example.com:8080/{account}/{uid}/"),
            ("https://h:443/{uid}", "https://h/{uid}/"),
        ] {
            assert_eq!(text.parse::<KnownAs>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_names_no_video_is_refused() {
        let segment = |segment: &str| KnownAsError::Path(TemplateError::Segment { segment: segment.to_owned() });
        for (text, error) in [
            ("cdn.example.com/{uid}", KnownAsError::Base(OriginUrlError::NotAUrl)),
            ("//cdn.example.com/{uid}", KnownAsError::Base(OriginUrlError::NotAUrl)),
            ("ftp://h/{uid}", KnownAsError::Base(OriginUrlError::Scheme)),
            ("https://{account}.example.com/{uid}", KnownAsError::Base(OriginUrlError::NotAUrl)),
            ("https://h/{uid}?x", segment("{uid}?x")),
            ("https://u@h/{uid}", KnownAsError::Base(OriginUrlError::More)),
            ("https://h", segment("")),
            ("https://h/vod/", KnownAsError::Path(TemplateError::UidMissing)),
            ("https://h/../{uid}", segment("..")),
        ] {
            assert_eq!(text.parse::<KnownAs>().unwrap_err(), error, "{text}");
        }
    }
}
