//! Handles as values: where an object is, and a hash of its type, which the receiver compares.

use std::sync::Arc;

use callboard_core::Address;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::runtime::Runtime;
use crate::scope;

#[derive(Serialize, Deserialize)]
struct Travelling(Address, u64);

/// Writes the handle of type `H` to the object at `address`.
pub(crate) fn serialize<H, S: Serializer>(address: Address, serializer: S) -> Result<S::Ok, S::Error> {
    Travelling(address, type_hash::<H>()).serialize(serializer)
}

/// Reads a handle of type `H`, in the scope of the node that receives it.
pub(crate) fn deserialize<'de, H, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Arc<Runtime>, Address), D::Error> {
    let Travelling(address, of_type) = Travelling::deserialize(deserializer)?;
    if of_type != type_hash::<H>() {
        let expected = std::any::type_name::<H>();
        return Err(D::Error::custom(format!("a handle of another type than {expected}")));
    }
    let runtime = scope::current().ok_or_else(|| {
        D::Error::custom("a handle can be decoded only where a node receives it, not from stored bytes")
    })?;
    Ok((runtime, address))
}

fn type_hash<H>() -> u64 {
    callboard_ipc::type_hash(std::any::type_name::<H>())
}
