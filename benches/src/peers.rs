//! Other libraries doing the same.

pub(crate) mod ipc_channel;
pub(crate) mod python;
pub(crate) mod words;
