//! A query parameter that holds the token, for gates that read it from there.

use vidpass_token::is_segment;

use crate::credential_place::ParameterName;

/// `name=token`, to be added to the query of every reference to a file of the video.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenParameter {
    name: ParameterName,
    /// With its name: `name=token`.
    pair: Box<str>,
}

impl TokenParameter {
    /// The parameter `name` with this token; `None` where it has a character that no token has. So neither needs any
    /// escaping in a URL or a manifest.
    #[must_use]
    pub(crate) fn new(name: &ParameterName, token: &str) -> Option<Self> {
        let pair = is_segment(token).then(|| format!("{}={token}", name.as_str()))?;
        Some(Self { name: name.clone(), pair: pair.into() })
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The query `?…`, or an empty one, with the token as its last parameter and no other of the name.
    pub(super) fn add_to(&self, query: &str) -> String {
        let others = query.strip_prefix('?').unwrap_or(query).split('&');
        let others = others.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(self.name.as_str()));
        let mut query = String::from("?");
        for pair in others.chain([&*self.pair]) {
            if query.len() > 1 {
                query.push('&');
            }
            query.push_str(pair);
        }
        query
    }
}

impl std::fmt::Debug for TokenParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenParameter({}=…)", self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_last_and_once() {
        for (query, expected) in [
            ("", "?token=a.b"),
            ("?", "?token=a.b"),
            ("?x=1", "?x=1&token=a.b"),
            ("?x=1&", "?x=1&token=a.b"),
            ("?token=old&x=1&token", "?x=1&token=a.b"),
            ("?tokens=1&x=token=2", "?tokens=1&x=token=2&token=a.b"),
        ] {
            let parameter = parameter("a.b").unwrap();
            assert_eq!(parameter.add_to(query), expected, "{query}");
            assert_eq!(parameter.add_to(expected), expected, "{query}");
        }
    }

    #[test]
    fn it_needs_no_escaping_and_is_not_printed() {
        for text in ["", "a\"b", "a&b", "a#b", "a b", "a%20b", "é"] {
            assert_eq!(parameter(text), None, "{text}");
        }
        assert_eq!(format!("{:?}", parameter("a.b.c").unwrap()), "TokenParameter(token=…)");
    }

    fn parameter(token: &str) -> Option<TokenParameter> {
        TokenParameter::new(&ParameterName::read("token").unwrap(), token)
    }
}
