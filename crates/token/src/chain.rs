//! Errors with what caused them, for whoever logs or prints them.

use std::error::Error;
use std::fmt;

/// Prints an error and, after each `: `, what caused it. A JSON log would have the first text alone.
///
/// Our errors never print their source themselves; those of others do now and then, and a cause that was printed is not
/// printed again.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            source = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failed {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn every_cause_is_printed_once() {
        check("it failed", "no route", "it failed: no route");
        check("it failed: no route", "no route", "it failed: no route");
        check("no route to it", "no route", "no route to it: no route");
        assert_eq!(Chain(&io::Error::other("no route")).to_string(), "no route");
    }

    #[track_caller]
    fn check(text: &'static str, cause: &'static str, expected: &str) {
        let error = Failed { text, source: io::Error::other(cause) };
        assert_eq!(Chain(&error).to_string(), expected);
    }
}
