//! The error of `FromStr` implementations.

/// A text that is not what was expected, such as the release of a server or the key of a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
#[non_exhaustive]
pub struct ParseError {
    /// The text.
    pub text: String,
    /// What was expected, with an example.
    pub expected: &'static str,
}

impl ParseError {
    /// The error for a text that is not what was expected.
    pub fn new(text: impl Into<String>, expected: &'static str) -> Self {
        Self { text: text.into(), expected }
    }
}
