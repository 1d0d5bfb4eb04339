//! An end of a pipe as a value that travels, once, to one holder.

use std::sync::Arc;

use callboard_ipc::{RawPipe, Side};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::end::End;
use crate::scope::{self, MoveOnly};

/// The numbers of its descriptors among those of the message: socket, page, then those that came with messages not yet
/// received. And which side it is, and a hash of its type, which the receiver compares.
#[derive(Serialize, Deserialize)]
struct Travelling {
    first: u32,
    count: u32,
    is_first: bool,
    of_type: u64,
}

/// Writes the end held by a handle of type `H`. It stands still until the message leaves.
pub(super) fn serialize<H, S: Serializer>(end: &Arc<End>, serializer: S) -> Result<S::Ok, S::Error> {
    let is_first = end.side() == Some(Side::First);
    let traveller = Arc::clone(end) as Arc<dyn MoveOnly>;
    let (first, count) = scope::board(&traveller).map_err(S::Error::custom)?;
    let (first, count) = (first as u32, count as u32);
    Travelling { first, count, is_first, of_type: type_hash::<H>() }.serialize(serializer)
}

/// Reads an end for a handle of type `H`.
pub(super) fn deserialize<'de, H, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<End>, D::Error> {
    let Travelling { first, count, is_first, of_type } = Travelling::deserialize(deserializer)?;
    if of_type != type_hash::<H>() {
        let expected = std::any::type_name::<H>();
        return Err(D::Error::custom(format!("an end of a pipe of another type than {expected}")));
    }
    let mut rights = scope::claim(first as usize, count as usize).map_err(D::Error::custom)?.into_iter();
    let missing = || D::Error::custom("an end of a pipe needs two descriptors, and a node to be decoded for");
    let runtime = scope::current().ok_or_else(missing)?;
    let (socket, page) = rights.next().zip(rights.next()).ok_or_else(missing)?;
    let side = if is_first { Side::First } else { Side::Second };
    let raw = RawPipe::from_parts(socket, page, side).map_err(D::Error::custom)?;
    Ok(End::new(&runtime, raw, rights.collect()))
}

fn type_hash<H>() -> u64 {
    callboard_ipc::type_hash(std::any::type_name::<H>())
}
