//! A number that processes share.

mod error;
mod handle;
mod options;
mod owner;
#[cfg(test)]
mod simulated;
mod wire;

pub use self::error::CounterError;
pub use self::handle::{AtLeast, Counter};
pub use self::options::CounterOptions;
