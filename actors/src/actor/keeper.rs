//! Whoever decides what becomes of an actor that has ended: a supervisor.

use std::sync::Arc;

use super::exit::Exit;
use crate::runtime::Runtime;

pub(crate) trait Keeper: Send + Sync {
    /// A life of it has ended. It takes messages still, and its name is its own, until its cell is told what comes next. False if
    /// nobody keeps it any more.
    fn ended(&self, runtime: &Arc<Runtime>, exit: Exit) -> bool;
}
