//! What a compare-and-swap came to.

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
