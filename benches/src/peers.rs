//! Other libraries doing the same.

#[cfg(not(all(feature = "iceoryx2", feature = "zeromq")))]
mod absent;
pub(crate) mod erlang;
#[cfg(feature = "iceoryx2")]
pub(crate) mod iceoryx2;
pub(crate) mod ipc_channel;
pub(crate) mod procspawn;
pub(crate) mod python;
mod script;
pub(crate) mod words;
#[cfg(feature = "zeromq")]
pub(crate) mod zeromq;

#[cfg(not(feature = "iceoryx2"))]
pub(crate) use absent::iceoryx2;
#[cfg(not(feature = "zeromq"))]
pub(crate) use absent::zeromq;
