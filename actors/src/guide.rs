//! Guides for people who know other systems of actors, or Python's processes and pools. Their programs are compiled and run.
//!
//! [`from_erlang`], [`from_kameo_and_ractor`] and, about pools, [`from_multiprocessing`] go row by row through what you know, what it
//! is here, and what differs or is missing. [`processes`] is about processes and other programs, and what a system may lack. [`supervision`] says what becomes of a child that ends, [`signals`]
//! which signals are touched, and when.

#[cfg(doc)]
use crate::{pool::*, *};

#[doc = include_str!("../guides/from_erlang.md")]
pub mod from_erlang {}

#[doc = include_str!("../guides/from_kameo_and_ractor.md")]
pub mod from_kameo_and_ractor {}

#[doc = include_str!("../guides/from_multiprocessing.md")]
pub mod from_multiprocessing {}

#[doc = include_str!("../guides/processes.md")]
pub mod processes {}

#[doc = include_str!("../guides/signals.md")]
pub mod signals {}

#[doc = include_str!("../guides/supervision.md")]
pub mod supervision {}
