//! A queue as an object with a name, and its handle as a value that travels.

use callboard_core::Address;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::QueueCell;
use super::handle::Queue;
use super::options::QueueOptions;
use crate::names::{Object, sealed::Sealed};
use crate::node::Node;
use crate::scope;

impl<T> Sealed for Queue<T> {}

impl<T> Object for Queue<T> {
    type Options = QueueOptions;

    fn build(node: &Node, options: QueueOptions) -> Self {
        let cell = QueueCell::create(node.runtime(), options.settings);
        Self::of(node.runtime(), cell.address())
    }

    fn at(node: &Node, address: Address) -> Self {
        Self::of(node.runtime(), address)
    }

    fn address(&self) -> Address {
        self.face.address
    }

    fn type_name() -> String {
        format!("Queue<{}>", std::any::type_name::<T>())
    }

    fn discard(self, node: &Node) {
        node.runtime().remove_cell(self.face.address.slot);
    }
}

/// A handle as it travels: where the queue is, and a hash of its type, which the receiver compares.
#[derive(Serialize, Deserialize)]
struct Travelling(Address, u64);

impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Travelling(self.face.address, type_hash::<T>()).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Travelling(address, of_type) = Travelling::deserialize(deserializer)?;
        if of_type != type_hash::<T>() {
            let expected = std::any::type_name::<T>();
            return Err(D::Error::custom(format!("a queue of another type than {expected}")));
        }
        let runtime = scope::current().ok_or_else(|| {
            D::Error::custom("a queue can be decoded only where a node receives it, not from stored bytes")
        })?;
        Ok(Self::of(&runtime, address))
    }
}

fn type_hash<T>() -> u64 {
    callboard_ipc::type_hash(std::any::type_name::<T>())
}
