//! Which item of a queue is next.

use std::fmt;

use callboard_core::{BodyError, encode_into};
use serde::Serialize;

use super::owner::{Order, PRIORITY_BYTES, priority_head};

/// Keeps `Kind` to this crate.
pub trait Sealed {
    #[doc(hidden)]
    const SETTING: Setting;
    /// How users call a queue of this kind.
    #[doc(hidden)]
    const NAME: &'static str;
}

/// A setting of the owner.
#[derive(Debug)]
pub struct Setting(pub(super) Order);

/// The order of a [`Queue`](crate::Queue): [`Fifo`], [`Lifo`] or [`ByPriority`].
pub trait Kind<T>: Sealed + fmt::Debug + 'static {
    #[doc(hidden)]
    fn priority(item: &T) -> Option<i64>;
}

/// First in, first out.
#[derive(Debug)]
pub enum Fifo {}

/// Last in, first out.
#[derive(Debug)]
pub enum Lifo {}

/// The lowest priority first; items are pairs of a priority and something else.
#[derive(Debug)]
pub enum ByPriority {}

impl Sealed for Fifo {
    const SETTING: Setting = Setting(Order::Fifo);
    const NAME: &'static str = "Queue";
}

impl Sealed for Lifo {
    const SETTING: Setting = Setting(Order::Lifo);
    const NAME: &'static str = "LifoQueue";
}

impl Sealed for ByPriority {
    const SETTING: Setting = Setting(Order::Priority);
    const NAME: &'static str = "PriorityQueue";
}

impl<T> Kind<T> for Fifo {
    fn priority(_: &T) -> Option<i64> {
        None
    }
}

impl<T> Kind<T> for Lifo {
    fn priority(_: &T) -> Option<i64> {
        None
    }
}

impl<T> Kind<(i64, T)> for ByPriority {
    fn priority((priority, _): &(i64, T)) -> Option<i64> {
        Some(*priority)
    }
}

/// Whether more may be asked for than is waited for: not where a later put may come first.
pub(super) fn prefetches<K: Sealed>() -> bool {
    K::SETTING.0 == Order::Fifo
}

/// Appends an item as it travels: before it stands what the owner goes by.
pub(super) fn encode<T: Serialize, K: Kind<T>>(item: &T, into: &mut Vec<u8>) -> Result<(), BodyError> {
    if let Some(priority) = K::priority(item) {
        into.extend_from_slice(&priority_head(priority));
    }
    encode_into(item, into).map(drop)
}

/// The item itself.
pub(super) fn content<K: Sealed>(bytes: &[u8]) -> &[u8] {
    let head = if K::SETTING.0 == Order::Priority { PRIORITY_BYTES } else { 0 };
    bytes.get(head..).unwrap_or_default()
}
