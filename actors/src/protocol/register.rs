//! One value, or none, that processes share.

mod error;
mod handle;
pub(crate) mod options;
pub(crate) mod owner;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
mod watch;
pub(crate) mod wire;

pub use self::error::RegisterError;
pub use self::handle::Register;
pub use self::options::RegisterOptions;
pub use self::watch::{RegisterChange, RegisterWatch};
