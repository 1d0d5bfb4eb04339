//! Other libraries doing the same.

#[cfg(not(all(feature = "actors", feature = "iceoryx2", feature = "zeromq")))]
mod absent;
#[cfg(feature = "actors")]
pub(crate) mod actix;
pub(crate) mod erlang;
#[cfg(feature = "iceoryx2")]
pub(crate) mod iceoryx2;
pub(crate) mod ipc_channel;
#[cfg(feature = "actors")]
pub(crate) mod kameo;
pub(crate) mod procspawn;
pub(crate) mod python;
#[cfg(feature = "actors")]
pub(crate) mod ractor;
mod script;
pub(crate) mod words;
#[cfg(feature = "zeromq")]
pub(crate) mod zeromq;

#[cfg(not(feature = "iceoryx2"))]
pub(crate) use absent::iceoryx2;
#[cfg(not(feature = "zeromq"))]
pub(crate) use absent::zeromq;
#[cfg(not(feature = "actors"))]
pub(crate) use absent::{actors as actix, actors as kameo, actors as ractor};
