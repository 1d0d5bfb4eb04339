//! What an actor is told besides messages.

use callboard_core::Address;

use super::exit::Exit;
use super::wire::Over;

/// What an actor is told in order with its messages.
#[derive(Debug)]
pub(super) enum News {
    /// The time of a timer has come.
    Timer(u64),
    /// An actor that it monitors has ended.
    Down { monitor: u64, over: Over },
    /// One to which it is linked has ended, or somebody has asked it to exit, and it traps exits.
    Exited { from: Option<Address>, exit: Exit },
}
