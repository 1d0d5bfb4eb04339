//! A flag that processes set, clear and wait for.

mod handle;
mod options;
mod owner;
#[cfg(test)]
mod simulated;
mod wire;

pub use self::handle::Event;
pub use self::options::EventOptions;
