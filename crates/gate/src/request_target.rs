//! The target of a request that arrived over HTTP.

use http::{Uri, Version};
use vidpass_token::PathError;

/// The path and the query of a request that arrived over `version`, as text for the one grammar of paths.
///
/// An HTTP/1 target with a scheme or an authority is not in origin-form (RFC 9112, section 3.2); an HTTP/2 request always
/// has both, in fields of their own. `Uri` drops a fragment before we see it, so `#` and what follows is ignored, not
/// refused.
///
/// # Errors
/// [`PathError::NotOriginForm`]
pub(crate) fn origin_form(uri: &Uri, version: Version) -> Result<&str, PathError> {
    let http1 = version < Version::HTTP_2;
    match uri.path_and_query() {
        Some(target) if !http1 || uri.authority().is_none() => Ok(target.as_str()),
        Some(_) | None => Err(PathError::NotOriginForm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origin_form_counts_in_http_1() {
        check("http://h/v1/x", Version::HTTP_11, Err(PathError::NotOriginForm));
        check("http://h/v1/x", Version::HTTP_2, Ok("/v1/x"));
        check("/v1/x?y", Version::HTTP_11, Ok("/v1/x?y"));
        check("h:80", Version::HTTP_11, Err(PathError::NotOriginForm));
    }

    #[track_caller]
    fn check(uri: &str, version: Version, expected: Result<&str, PathError>) {
        assert_eq!(origin_form(&uri.parse().unwrap(), version), expected, "{uri}");
    }
}
