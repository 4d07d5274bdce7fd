//! What `vidpass doctor` finds.

use std::error::Error;
use std::fmt;

use serde_json::{Value, json};
use vidpass_token::Chain;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It is as it should be.
    Good,
    /// It works, and may not be what is wanted.
    Warning,
    /// It does not work, or lets in who must not be.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) subject: &'static str,
    /// How it is.
    pub(super) text: String,
    /// What to do about it; empty where nothing is to be done.
    pub(super) advice: String,
}

impl Finding {
    pub(super) fn good(subject: &'static str, text: impl fmt::Display) -> Self {
        Self { level: Level::Good, subject, text: text.to_string(), advice: String::new() }
    }

    pub(super) fn warning(subject: &'static str, text: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self { level: Level::Warning, subject, text: text.to_string(), advice: advice.to_string() }
    }

    pub(super) fn broken(subject: &'static str, problem: &dyn Error, advice: impl fmt::Display) -> Self {
        Self::broken_as(subject, Chain(problem), advice)
    }

    /// [`Self::broken`], where more is to be said than the error, or there is none.
    pub(super) fn broken_as(subject: &'static str, text: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self { level: Level::Broken, subject, text: text.to_string(), advice: advice.to_string() }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "level": self.level.name(), "subject": self.subject, "text": self.text, "advice": self.advice })
    }
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8} {}: {}", self.level.name(), self.subject, self.text)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "\n         → {}", self.advice) }
    }
}
