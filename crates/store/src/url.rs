//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// Where the database is: `sqlite:PATH`, or `postgres://user:password@host:port/database`.
///
/// What a PostgreSQL URL leaves out comes from the `PG*` environment variables and the password file, as for
/// PostgreSQL's own clients. Neither `Display` nor `Debug` shows the password.
#[derive(Clone)]
pub struct DatabaseUrl(pub(crate) Engine);

#[derive(Clone)]
pub(crate) enum Engine {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// Why a text does not say where a database is. It never repeats the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// A PostgreSQL URL that cannot be read.
    #[error("not a PostgreSQL URL such as `postgres://user:password@host:5432/database`")]
    Postgres(#[source] sqlx::Error),
    /// Neither `sqlite:` nor `postgres:`.
    #[error("a database URL begins with `sqlite:` or `postgres://`")]
    Scheme,
    /// `sqlite:` without a path, with `:memory:`, or with options after a `?`.
    #[error("after `sqlite:` comes the path of a file, and nothing else")]
    SqlitePath,
}

impl DatabaseUrl {
    /// A SQLite database in the file at `path`.
    #[must_use]
    pub fn sqlite(path: impl AsRef<Path>) -> Self {
        Self(Engine::Sqlite(path.as_ref().to_owned()))
    }
}

/// Whether both are the same database, with the same login.
impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Engine::Sqlite(one), Engine::Sqlite(other)) => one == other,
            (Engine::Postgres(one), Engine::Postgres(other)) => one.to_url_lossy() == other.to_url_lossy(),
            (Engine::Sqlite(_), Engine::Postgres(_)) | (Engine::Postgres(_), Engine::Sqlite(_)) => false,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            // Not our options, but other programs know `?mode=rwc` here; a file of that name is never what was meant.
            if path.is_empty() || path.contains('?') || path.starts_with(":memory:") {
                return Err(DatabaseUrlError::SqlitePath);
            }
            Ok(Self::sqlite(path))
        } else if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = text.parse().map_err(DatabaseUrlError::Postgres)?;
            Ok(Self(Engine::Postgres(Box::new(options))))
        } else {
            Err(DatabaseUrlError::Scheme)
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Engine::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Engine::Postgres(options) => {
                let host = options.get_socket().map_or(options.get_host().into(), |socket| socket.to_string_lossy());
                let database = options.get_database().unwrap_or(options.get_username());
                write!(f, "postgres://{}@{host}:{}/{database}", options.get_username(), options.get_port())
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_never_shows_the_password() {
        check("sqlite:data/vidpass.db", "sqlite:data/vidpass.db");
        check("sqlite:///var/lib/vidpass.db", "sqlite:/var/lib/vidpass.db");
        check("postgres://me:s3cret@db.example:6543/vidpass", "postgres://me@db.example:6543/vidpass");
        check("postgresql://me@h:5432/v?host=/run/pg&password=s3cret", "postgres://me@/run/pg:5432/v");
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for text in ["", "vidpass.db", "mysql://a:s3cret@b/c", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=rwc"] {
            refused(text);
        }
        refused("postgres://me:s3cret@host:port/x");
        refused("postgres://me:s3cret@host/x?sslmode=perhaps");
    }

    #[track_caller]
    fn check(text: &str, shown: &str) {
        let url: DatabaseUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
    }

    #[track_caller]
    fn refused(text: &str) {
        let error = text.parse::<DatabaseUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}
