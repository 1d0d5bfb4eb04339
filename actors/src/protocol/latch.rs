//! A count that only goes down, and what waits until it is zero.

mod error;
mod handle;
pub(crate) mod options;
pub(crate) mod owner;
#[cfg(test)]
mod simulated;
pub(crate) mod wire;

pub use self::error::LatchError;
pub use self::handle::Latch;
pub use self::options::LatchOptions;
