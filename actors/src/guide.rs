//! Guides for people who know other systems of actors. Their programs are compiled and run.
//!
//! [`from_erlang`] and [`from_kameo_and_ractor`] go row by row through what you know, what it is here, and what differs or is
//! missing. [`supervision`] says what becomes of a child that ends.

#[cfg(doc)]
use crate::*;

#[doc = include_str!("../guides/from_erlang.md")]
pub mod from_erlang {}

#[doc = include_str!("../guides/from_kameo_and_ractor.md")]
pub mod from_kameo_and_ractor {}

#[doc = include_str!("../guides/supervision.md")]
pub mod supervision {}
