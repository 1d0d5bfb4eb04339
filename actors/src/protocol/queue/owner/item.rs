//! Encoded items as the owner keeps them: few bytes in place, many in a box.
//!
//! Most queues carry numbers and small structs. Kept in place they cost no allocation on their way
//! from put to get, and a deque of them is read in order.

use crate::parcel::Rights;

/// The longest item kept in place: a number, or a struct of a few fields. Longer ones would make every item move more.
const INLINE_BYTES: usize = 30;

/// The bytes of one item.
#[derive(Debug)]
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
    #[inline]
    fn from(item: &[u8]) -> Item {
        if item.len() > INLINE_BYTES {
            return Item::Long(item.into());
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..item.len()].copy_from_slice(item);
        Item::Short { len: item.len() as u8, bytes }
    }
}

impl Item {
    /// An item and the descriptors in it, if it has any.
    pub(crate) fn new(item: &[u8], rights: Rights) -> Item {
        if rights.is_empty() { item.into() } else { Item::Parcel(Box::new((item.into(), rights))) }
    }

    /// The descriptors in it.
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

    pub(super) fn bytes(&self) -> u64 {
        self.as_bytes().len() as u64
    }
}

/// An item and how often user code is known to have had it without settling it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) item: Item,
    pub(super) attempts: u32,
}

impl Stored {
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
    fn a_stored_item_is_little_more_than_half_a_cache_line() {
        assert_eq!(size_of::<Item>(), 32);
        assert_eq!(size_of::<Stored>(), 40);
    }
}
