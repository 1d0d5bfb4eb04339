//! Errors that travel: what went wrong in one process, told in another.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, as text: the error and what caused it. A serde value, so a function that runs in a process of its own
/// can return `Result<R, Failure>` and use `?` on any error.
///
/// Like the boxed error that it stands for it is no `Error` itself, and turns into one with `?` where a
/// `Box<dyn Error>` is returned.
///
/// ```
/// use callboard::{Failure, Node};
///
/// fn parse(_: &Node, text: String) -> Result<u64, Failure> {
///     Ok(text.parse::<u64>()?)
/// }
/// # let failure = "x".parse::<u64>().map_err(Failure::from).unwrap_err();
/// # assert_eq!(failure.to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's text, then that of each cause.
    chain: Vec<String>,
}

impl Failure {
    /// A failure that is no error of Rust's, in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { chain: vec![text.into()] }
    }

    /// The error's text and then its causes', the nearest first; never empty unless it was sent so.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        self.chain.iter().map(String::as_str)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push(cause.to_string());
            source = cause.source();
        }
        Self { chain }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain.join(": "))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        failure.to_string().into()
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        failure.to_string().into()
    }
}
