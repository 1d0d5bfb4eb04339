//! Our own messages as they are appended for a peer.

use callboard_core::{Flags, Header, Kind, Slot};

use crate::parcel::Rights;
use crate::scope;

/// A header whose length is filled in when the body is appended.
pub(crate) fn header(kind: Kind, slot: Slot, word: u64) -> Header {
    Header { length: 0, kind, flags: Flags::default(), descriptors: 0, slot, word }
}

/// One of our own messages as a body, and the descriptors in it.
///
/// They were copied when the values that they belong to were encoded; here nothing can fail any more.
pub(crate) fn packed(message: &impl serde::Serialize) -> (Vec<u8>, Rights) {
    let (body, departing) = scope::collect(|| encoded(message));
    (body, departing.rights().unwrap_or_default())
}

/// One of our own messages as a body.
pub(crate) fn encoded(message: &impl serde::Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(32);
    callboard_core::encode_into(message, &mut body).expect("our own messages can be encoded");
    body
}
