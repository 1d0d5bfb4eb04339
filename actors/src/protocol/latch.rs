//! A count that only goes down, and what waits until it is zero.

mod error;
mod handle;
mod options;
mod owner;
#[cfg(test)]
mod simulated;
mod wire;

pub use self::error::LatchError;
pub use self::handle::Latch;
pub use self::options::LatchOptions;
