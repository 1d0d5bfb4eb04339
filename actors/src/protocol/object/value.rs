//! Users' values on their way to an owner and back: encoded once by who puts them, decoded once by who gets them.

use std::sync::Arc;

use callboard_core::{BodyError, decode, encode_into, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::runtime::Runtime;
use crate::scope;

/// What a byte string takes in a message beside its bytes, at most.
const HEAD_BYTES: usize = 5;

/// Encodes a value that will be copied, so that nothing in it can move.
pub(crate) fn encode_value<T: Serialize + ?Sized>(value: &T) -> Result<ByteBuf, BodyError> {
    let mut bytes = Vec::new();
    scope::plain(|| encode_into(value, &mut bytes))?;
    Ok(ByteBuf::from(bytes))
}

/// Decodes a value that `runtime`'s node has received: handles in it become that node's.
pub(crate) fn decode_value<T: DeserializeOwned>(
    runtime: &Arc<Runtime>,
    bytes: &[u8],
) -> Result<T, BodyError> {
    scope::enter(runtime, || decode(bytes))
}

/// Whether values travel in one message, all together.
pub(crate) fn fit_a_message<'a>(values: impl IntoIterator<Item = &'a ByteBuf>) -> bool {
    values.into_iter().map(|value| value.len() + HEAD_BYTES).sum::<usize>() <= limits::MAX_VALUE_BYTES
}
