//! The least that any implementation must do, as raw code.

pub(crate) mod exec;
pub(crate) mod frames;
pub(crate) mod hub;
pub(crate) mod pingpong;
pub(crate) mod robust;
pub(crate) mod stream;
pub(crate) mod threads;
pub(crate) mod zygote;
