//! What a compare-and-swap came to, and trying one until it is done.

use std::time::Instant;

/// What a compare-and-swap came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Swap<T> {
    /// It was as expected, and was replaced.
    Done,
    /// It was this, and stays so.
    Differs(T),
}

impl<T> Swap<T> {
    /// Whether it was as expected and was replaced.
    pub fn is_done(&self) -> bool {
        matches!(self, Swap::Done)
    }
}

/// Tries to change what was found until nobody came between, or until `deadline`; none then. What `attempt` fails with is
/// what it found instead.
pub(crate) fn until_done<F, R, E>(
    mut found: F,
    deadline: Option<Instant>,
    mut attempt: impl FnMut(F) -> Result<Result<R, F>, E>,
) -> Result<Option<R>, E> {
    loop {
        match attempt(found)? {
            Ok(done) => return Ok(Some(done)),
            Err(other) => found = other,
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(None);
        }
    }
}
