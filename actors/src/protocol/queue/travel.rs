//! A queue as an object with a name, and its handle as a value that travels.

use callboard_core::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::QueueCell;
use super::handle::Queue;
use super::options::QueueOptions;
use crate::names::{Object, sealed::Sealed};
use crate::node::Node;
use crate::protocol::travel;

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

impl<T> Serialize for Queue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize::<Self, S>(self.face.address, serializer)
    }
}

impl<'de, T> Deserialize<'de> for Queue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runtime, address) = travel::deserialize::<Self, D>(deserializer)?;
        Ok(Self::of(&runtime, address))
    }
}
