//! Everything that is wrong with a configuration, gathered before anybody is told.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Why there is no configuration to run on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// The file has no setting, where a running server was to read it again.
    #[error(
        "the configuration file {} has no setting; is it being written? write another one and rename it to this",
        file.display()
    )]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The reading of it was stopped.
    #[error("the reading of the configuration was stopped")]
    Stopped(#[from] tokio::task::JoinError),
    /// Settings whose values do not do.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// The file is not TOML, or has a setting that does not exist.
    #[error("the configuration file {} cannot be used", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Where and why.
        source: SyntaxError,
    },
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read; `vidpass init` writes one", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Where a file is wrong, and how. The line itself may hold a password, so it is not repeated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct SyntaxError {
    line: usize,
    column: usize,
    message: String,
}

impl SyntaxError {
    pub(super) fn of(error: &toml::de::Error, text: &str) -> Self {
        let before = &text[..error.span().map_or(0, |span| text.floor_char_boundary(span.start))];
        let line_begins = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_begins..].chars().count() + 1,
            message: error.message().to_owned(),
        }
    }
}

/// One setting whose value does not do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    setting: Cow<'static, str>,
    value: String,
    reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}: {}", self.setting, self.value, self.reason)
    }
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    format!("the configuration has {} problem(s):\n{}", problems.len(), lines.join("\n"))
}

/// Stands for a value that may hold a password.
pub(super) const NOT_SHOWN: &str = "(not shown)";

/// Gathers problems while settings are parsed.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(
        &mut self,
        setting: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        reason: impl fmt::Display,
    ) {
        let mut value = value.to_string();
        // A URL with a user has a password too, most likely.
        if value.contains("://") && value.contains('@') {
            value = NOT_SHOWN.to_owned();
        }
        self.0.push(Problem { setting: setting.into(), value, reason: reason.to_string() });
    }

    /// The value that `text` stands for, or a problem.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        setting: impl Into<Cow<'static, str>>,
        text: &str,
    ) -> Option<T> {
        text.parse().map_err(|reason| self.add(setting, text, reason)).ok()
    }

    /// A problem, and no value: the setting must be there.
    pub(super) fn missing<T>(&mut self, setting: impl Into<Cow<'static, str>>, rule: &str) -> Option<T> {
        self.add(setting, "", format!("must be set: {rule}"));
        None
    }

    /// A length of time such as `90s`, `10m` or `1h 30m`, longer than nothing.
    pub(super) fn duration(&mut self, setting: &'static str, text: &str) -> Option<std::time::Duration> {
        crate::span::parse(text).map_err(|reason| self.add(setting, text, reason)).ok()
    }

    /// A size such as `64 MiB`, in bytes, larger than nothing.
    pub(super) fn size(&mut self, setting: &'static str, text: &str) -> Option<u64> {
        crate::size::parse(text).map_err(|reason| self.add(setting, text, reason)).ok()
    }

    /// `value`, if there is no problem.
    pub(super) fn none_or<T>(self, value: impl FnOnce() -> Option<T>) -> Result<T, ConfigError> {
        if self.0.is_empty() {
            Ok(value().expect("a setting without a value added a problem"))
        } else {
            Err(ConfigError::Invalid(self.0))
        }
    }
}
