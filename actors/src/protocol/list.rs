//! A list that processes share.

mod error;
mod handle;
mod iter;
pub(crate) mod options;
pub(crate) mod owner;
#[cfg(test)]
mod simulated;
mod watch;
mod whole;
pub(crate) mod wire;

pub use self::error::ListError;
pub use self::handle::List;
pub use self::iter::ListIter;
pub use self::options::ListOptions;
pub use self::watch::{ListChange, ListWatch};
