//! A number that processes share.

mod error;
mod handle;
pub(crate) mod options;
pub(crate) mod owner;
#[cfg(test)]
mod simulated;
pub(crate) mod wire;

pub use self::error::CounterError;
pub use self::handle::{AtLeast, Counter};
pub use self::options::CounterOptions;
