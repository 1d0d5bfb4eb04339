//! What a fuzzer runs: whatever another process may send or write, fed to the code that reads it, without a process or a descriptor.
//!
//! Each target takes any bytes and panics if something does not hold. The targets of `tests/fuzz` call them, and so does a test
//! here, with bytes of a seeded generator and with those that once found something.

mod arriving;
mod draw;
mod heads;
mod node;
mod objects;
mod wire;

use callboard_core::{NodeId, encode_into};
use serde::Serialize;

pub(crate) use self::draw::Draw;
#[cfg(test)]
pub(crate) use self::node::runtime;
pub(crate) use self::objects::play;
pub(crate) use self::wire::{Trip, trip};

/// A target: its name, and what runs it.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the name under which `tests/fuzz` has them.
pub const TARGETS: [Target; 12] = [
    ("arriving", arriving::run),
    ("group", |input| crate::group::fuzz(Draw::new(input))),
    ("heads", heads::run),
    ("hub", crate::pipeline::fuzz),
    ("node", node::run),
    ("objects", objects::run),
    ("pool", crate::pool::fuzz),
    ("queue", crate::protocol::queue::fuzz),
    ("served", |input| crate::protocol::served::fuzz(Draw::new(input))),
    ("shared", |input| crate::protocol::shared::fuzz(Draw::new(input))),
    ("supervisor", crate::supervisor::fuzz),
    ("wire", wire::run),
];

/// Runs the target of this name.
///
/// # Panics
///
/// If there is none, or something does not hold.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    target(input);
}

/// A value as it travels.
pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(value, &mut out).expect("what was drawn can be encoded");
    out
}

/// One of a few nodes, counted from zero.
pub(crate) fn node(number: usize) -> NodeId {
    NodeId::new(number as u64 + 1).expect("one more than a number")
}

#[cfg(test)]
mod tests;
