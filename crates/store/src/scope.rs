//! What an API token may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One thing that an API token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Read the audit log.
    AuditRead,
    /// List signing keys.
    KeysRead,
    /// Create, rotate and delete signing keys.
    KeysWrite,
    /// List revocations.
    RevocationsRead,
    /// Take tokens back, and take that away.
    RevocationsWrite,
    /// Have tokens explained.
    TokensInspect,
    /// Issue tokens.
    TokensIssue,
    /// Read the catalogue.
    VideosRead,
    /// Register, edit and delete videos.
    VideosWrite,
}

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no scope; there are: {}", .0.escape_debug(), Scope::ALL.map(Scope::as_str).join(", "))]
pub struct ScopeError(String);

/// Everything that an API token may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scopes {
    /// Whatever there is, and whatever there will be.
    #[default]
    All,
    /// These alone.
    Only(BTreeSet<Scope>),
}

impl Scope {
    /// Every scope that there is.
    pub const ALL: [Self; 9] = [
        Self::AuditRead,
        Self::KeysRead,
        Self::KeysWrite,
        Self::RevocationsRead,
        Self::RevocationsWrite,
        Self::TokensInspect,
        Self::TokensIssue,
        Self::VideosRead,
        Self::VideosWrite,
    ];

    /// Its name, such as `keys:read`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuditRead => "audit:read",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::RevocationsRead => "revocations:read",
            Self::RevocationsWrite => "revocations:write",
            Self::TokensInspect => "tokens:inspect",
            Self::TokensIssue => "tokens:issue",
            Self::VideosRead => "videos:read",
            Self::VideosWrite => "videos:write",
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| ScopeError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Scopes {
    /// Whether `scope` is among them.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        match self {
            Self::All => true,
            Self::Only(scopes) => scopes.contains(&scope),
        }
    }

    /// Their names; `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::All => None,
            Self::Only(scopes) => Some(scopes.iter().map(|scope| scope.as_str()).collect()),
        }
    }

    pub(crate) fn to_column(&self) -> Option<String> {
        self.names().map(|names| names.join(" "))
    }

    pub(crate) fn from_column(column: Option<&str>) -> Result<Self, ScopeError> {
        let Some(names) = column else { return Ok(Self::All) };
        Ok(Self::Only(names.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_kept_as_text() {
        check(None, Scopes::All);
        check(Some(""), Scopes::Only(BTreeSet::new()));
        check(Some("keys:read tokens:issue"), Scopes::Only([Scope::TokensIssue, Scope::KeysRead].into()));
        for scope in Scope::ALL {
            check(Some(scope.as_str()), Scopes::Only([scope].into()));
        }
        let unknown = Scopes::from_column(Some("keys:read keys:erase")).unwrap_err().to_string();
        assert!(unknown.starts_with("`keys:erase` is no scope; there are: audit:read, "), "{unknown}");
    }

    #[test]
    fn what_is_not_named_is_not_allowed() {
        let scopes = Scopes::Only([Scope::KeysRead].into());
        for scope in Scope::ALL {
            assert_eq!(scopes.allow(scope), scope == Scope::KeysRead, "{scope}");
            assert!(Scopes::All.allow(scope));
        }
    }

    #[track_caller]
    fn check(column: Option<&str>, scopes: Scopes) {
        assert_eq!(Scopes::from_column(column), Ok(scopes.clone()));
        assert_eq!(scopes.to_column().as_deref(), column);
    }
}
