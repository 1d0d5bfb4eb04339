//! Arrays of plain values in shared memory, read and written in place under locks.

mod error;
mod guard;
mod handle;
mod options;
#[cfg(feature = "ndarray")]
mod views;
mod words;

pub use self::error::ArrayError;
pub use self::guard::{ArrayRead, ArrayWrite};
pub use self::handle::Array;
pub use self::options::ArrayOptions;
