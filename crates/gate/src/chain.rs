//! Errors with what caused them, for the log.

use std::error::Error;
use std::fmt;

/// Prints an error and, after each `: `, what caused it. A JSON log would print the first alone.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::origin::OriginError;

    #[test]
    fn every_cause_is_printed() {
        let error = object_store::Error::Generic { store: "S3", source: Box::new(io::Error::other("no route")) };
        let error = OriginError::Credentials(Some(error));
        let expected = "the request to the origin could not be signed: Generic S3 error: no route: no route";
        assert_eq!(Chain(&error).to_string(), expected);
        assert_eq!(Chain(&OriginError::LengthMissing).to_string(), "the origin does not say how long the file is");
    }
}
