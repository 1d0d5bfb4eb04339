//! A flag that processes set, clear and wait for.

mod handle;
pub(crate) mod options;
pub(crate) mod owner;
#[cfg(test)]
mod simulated;
pub(crate) mod wire;

pub use self::handle::Event;
pub use self::options::EventOptions;
