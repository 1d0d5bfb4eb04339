//! Encoded items as the owner keeps them: few bytes in place, many in a box.
//!
//! Most queues carry numbers and small structs. Kept in place they cost no allocation on their way
//! from put to get, and a deque of them is read in order.

use crate::parcel::Rights;

/// The longest item kept in place: a number, or a struct of a few fields. Longer ones would make every item move more.
const INLINE_BYTES: usize = 31;

/// The bytes of one item.
///
/// Moved often. Its kind has a word for itself, so that what is moved apart from it, as in an `Option`, is whole words too: a move by pieces that overlap others'
/// has to wait for them.
#[derive(Debug)]
#[repr(u64)]
pub(crate) enum Item {
    Short {
        len: u8,
        bytes: [u8; INLINE_BYTES],
    },
    Long(Box<[u8]>),
    /// With descriptors that go where it goes, and are closed with it.
    Parcel(Box<(Box<[u8]>, Rights)>),
}

impl From<&[u8]> for Item {
    #[inline(always)]
    fn from(item: &[u8]) -> Item {
        if item.len() > INLINE_BYTES {
            return Item::Long(item.into());
        }
        Item::Short { len: item.len() as u8, bytes: padded(item) }
    }
}

/// A short item and zeros behind it.
///
/// Read in words, of which the processor has each at once: a copy of any length is a call, and what then moves the item as a whole
/// has to wait for all of its parts.
#[inline(always)]
fn padded(item: &[u8]) -> [u8; INLINE_BYTES] {
    let word = |at: usize| item.get(at..).map_or(0, first_word).to_le_bytes();
    let mut bytes = [0; INLINE_BYTES];
    bytes[..8].copy_from_slice(&word(0));
    bytes[8..16].copy_from_slice(&word(8));
    bytes[16..24].copy_from_slice(&word(16));
    bytes[24..].copy_from_slice(&word(24)[..INLINE_BYTES - 24]);
    bytes
}

/// The first eight bytes as a little endian number, with zeros in the place of those that are not there.
#[inline(always)]
fn first_word(bytes: &[u8]) -> u64 {
    // Of fewer, the first and the last few: where they overlap they are the same.
    let shifted = |last: u64, len: usize| last << (8 * (bytes.len() - len));
    if let Some(all) = bytes.first_chunk() {
        u64::from_le_bytes(*all)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) | shifted(u32::from_le_bytes(*last).into(), 4)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u16::from_le_bytes(*first)) | shifted(u16::from_le_bytes(*last).into(), 2)
    } else {
        bytes.first().copied().unwrap_or(0).into()
    }
}

impl Item {
    /// An item and the descriptors in it, if it has any.
    pub(crate) fn new(item: &[u8], rights: Rights) -> Item {
        if rights.is_empty() { item.into() } else { Item::Parcel(Box::new((item.into(), rights))) }
    }

    /// The descriptors in it.
    #[inline(always)]
    pub(super) fn rights(&self) -> Option<&Rights> {
        match self {
            Item::Short { .. } | Item::Long(_) => None,
            Item::Parcel(parcel) => Some(&parcel.1),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Item::Short { len, bytes } => &bytes[..usize::from(*len)],
            Item::Long(bytes) => bytes,
            Item::Parcel(parcel) => &parcel.0,
        }
    }

    /// Its length. Not by way of its bytes: an item that nobody has looked into can be made where it will be kept.
    #[inline(always)]
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Item::Short { len, .. } => u64::from(*len),
            Item::Long(bytes) => bytes.len() as u64,
            Item::Parcel(parcel) => parcel.0.len() as u64,
        }
    }
}

/// An item and how often user code is known to have had it without settling it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) item: Item,
    pub(super) attempts: u32,
}

impl Stored {
    #[inline(always)]
    pub(super) fn new(item: impl Into<Item>) -> Stored {
        Stored { item: item.into(), attempts: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_as_it_was_put_whatever_its_length() {
        for len in 0..64_usize {
            let bytes: Vec<u8> = (0..len as u8).collect();
            let item = Item::from(&bytes[..]);
            assert_eq!(item.as_bytes(), bytes);
            assert_eq!(item.bytes(), len as u64);
            assert_eq!(matches!(item, Item::Short { .. }), len <= INLINE_BYTES);
        }
    }

    #[test]
    fn a_stored_item_is_three_quarters_of_a_cache_line() {
        assert_eq!(size_of::<Item>(), 40);
        assert_eq!(size_of::<Option<Stored>>(), 48);
    }
}
