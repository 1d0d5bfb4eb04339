//! A queue as an object with a name, and its handle as a value that travels.

use callboard_core::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::QueueCell;
use super::handle::Queue;
use super::kind;
use super::options::QueueOptions;
use super::owner::Settings;
use crate::names::{Object, sealed::Sealed};
use crate::node::Node;
use crate::protocol::travel;

impl<T, K> Sealed for Queue<T, K> {}

impl<T, K: kind::Sealed + 'static> Object for Queue<T, K> {
    type Options = QueueOptions;

    fn build(node: &Node, options: QueueOptions) -> Self {
        let settings = Settings { order: K::SETTING.0, ..options.settings };
        let cell = QueueCell::create(node.runtime(), settings);
        Self::of(node.runtime(), cell.address())
    }

    fn at(node: &Node, address: Address) -> Self {
        Self::of(node.runtime(), address)
    }

    fn address(&self) -> Address {
        self.face.address
    }

    fn type_name() -> String {
        format!("{}<{}>", K::NAME, std::any::type_name::<T>())
    }

    fn discard(self, node: &Node) {
        node.runtime().remove_cell(self.face.address.slot);
    }
}

impl<T, K> Serialize for Queue<T, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize::<Self, S>(self.face.address, serializer)
    }
}

impl<'de, T, K: kind::Sealed> Deserialize<'de> for Queue<T, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runtime, address) = travel::deserialize::<Self, D>(deserializer)?;
        Ok(Self::of(&runtime, address))
    }
}
