//! A list that processes share.

mod error;
mod handle;
mod iter;
mod options;
mod owner;
#[cfg(test)]
mod simulated;
mod watch;
mod whole;
mod wire;

pub use self::error::ListError;
pub use self::handle::List;
pub use self::iter::ListIter;
pub use self::options::ListOptions;
pub use self::watch::{ListChange, ListWatch};
