//! Plain values in shared memory, each behind a lock of its own.

mod handle;
mod integer;

pub use self::handle::{Value, ValueError, ValueGuard, ValueOptions};
pub use self::integer::Integer;

use std::marker::PhantomData;

use bytemuck::Pod;
use callboard_ipc::sync::{Block, Holder, Member, RobustValue};
use serde::{Deserialize, Serialize};

use crate::protocol::shared::Shape;

/// What a value is created with, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Laid {
    bytes: usize,
    /// The owner's alone.
    #[serde(skip)]
    initial: Vec<u8>,
}

pub(crate) struct ValueShape<T>(PhantomData<fn() -> T>);

impl<T: Pod> Shape for ValueShape<T> {
    const KIND: &'static str = "value";
    type Options = Laid;
    type Words = RobustValue;

    fn bytes(options: &Laid) -> Option<usize> {
        RobustValue::bytes(options.bytes)
    }

    fn most_members(_: &Laid) -> usize {
        u32::MAX as usize
    }

    fn begin(options: &Laid, block: Block) -> Option<RobustValue> {
        let words = Self::open(options, block)?;
        words.write(&options.initial);
        Some(words)
    }

    fn open(options: &Laid, block: Block) -> Option<RobustValue> {
        (options.bytes == size_of::<T>()).then(|| RobustValue::new(block, options.bytes)).flatten()
    }

    fn recover(words: &RobustValue, dead: Member, _: Holder) -> bool {
        words.lock().recover(dead.number);
        true
    }

    fn nudge(words: &RobustValue) {
        words.lock().nudge();
    }

    fn holders(words: &RobustValue) -> Vec<u32> {
        words.lock().holder().map(|holder| holder.member).into_iter().collect()
    }
}
