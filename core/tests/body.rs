//! Values and byte strings come out of a body as they went in; what is none of them is an error, never a panic.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use callboard_core::limits::MAX_BODY_DEPTH;
use callboard_core::{BodyError, ByteStrings, decode, encode_into, push_bytes};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::ser::{Error, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Number(i64),
    Text(String),
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    Pair(u8, Box<Tree>),
    Node { name: Option<String>, weight: f64, children: Vec<Tree> },
    Map(BTreeMap<String, Tree>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    small: (u8, i8, bool, char),
    large: (u64, i64, u128),
    nothing: (),
    maybe: Option<Option<u16>>,
    trees: [Tree; 2],
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Leaf),
        any::<i64>().prop_map(Tree::Number),
        ".{0,40}".prop_map(Tree::Text),
        vec(any::<u8>(), 0..400).prop_map(Tree::Bytes),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let node = (option::of("[a-z]{0,9}"), -1e9..1e9_f64, vec(inner.clone(), 0..5));
        prop_oneof![
            (any::<u8>(), inner.clone()).prop_map(|(mark, tree)| Tree::Pair(mark, Box::new(tree))),
            node.prop_map(|(name, weight, children)| Tree::Node { name, weight, children }),
            btree_map("[a-z]{0,3}", inner, 0..4).prop_map(Tree::Map),
        ]
    })
}

fn any_wide() -> impl Strategy<Value = Wide> {
    // An inner `None` reads as an outer one: the format has a single nil.
    let maybe = option::of(any::<u16>().prop_map(Some));
    let large = (any::<u64>(), any::<i64>(), any::<u128>());
    (any::<(u8, i8, bool, char)>(), large, maybe, any_tree(), any_tree())
        .prop_map(|(small, large, maybe, a, b)| Wide { small, large, nothing: (), maybe, trees: [a, b] })
}

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let size = encode_into(value, &mut out).unwrap();
    assert_eq!(size, out.len());
    out
}

/// Arrays of one element within each other, this many of them, around a nil.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0x91; depth];
    bytes.push(0xc0);
    bytes
}

#[derive(Debug, Deserialize)]
struct Nest(#[expect(dead_code, reason = "only its depth is of interest")] Option<Box<Nest1>>);
#[derive(Debug, Deserialize)]
struct Nest1(#[expect(dead_code, reason = "only its depth is of interest")] (Nest,));

/// Writes some of itself and then does what it was made for.
struct Broken(fn() -> String);

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(2))?;
        seq.serialize_element("a first element that is written already")?;
        Err(S::Error::custom(self.0()))
    }
}

proptest! {
    #[test]
    fn values_come_out_as_they_went_in(value in any_wide(), before in vec(any::<u8>(), 0..40)) {
        let mut out = before.clone();
        let size = encode_into(&value, &mut out).unwrap();
        prop_assert_eq!(&out[..before.len()], &before[..]);
        prop_assert_eq!(size, out.len() - before.len());
        prop_assert_eq!(decode::<Wide>(&out[before.len()..]).unwrap(), value);
    }

    #[test]
    fn a_value_cut_short_is_an_error(value in any_wide(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let cut = &bytes[..at.index(bytes.len())];
        let is_decode = matches!(decode::<Wide>(cut), Err(BodyError::Decode { .. }));
        prop_assert!(is_decode);
    }

    #[test]
    fn a_value_followed_by_another_is_an_error(value in any_wide(), next in any_wide()) {
        let mut bytes = encoded(&value);
        encode_into(&next, &mut bytes).unwrap();
        prop_assert_eq!(decode::<Wide>(&bytes), Err(BodyError::TrailingBytes));
    }

    #[test]
    fn a_value_followed_by_anything_is_an_error(value in any_wide(), more in vec(any::<u8>(), 1..5)) {
        let mut bytes = encoded(&value);
        bytes.extend(more);
        prop_assert_eq!(decode::<Wide>(&bytes), Err(BodyError::TrailingBytes));
    }

    #[test]
    fn garbage_is_decoded_without_a_panic(garbage in vec(any::<u8>(), 0..300)) {
        let _ = decode::<Tree>(&garbage);
        let _ = decode::<Wide>(&garbage);
        let _ = decode::<Vec<String>>(&garbage);
        prop_assert!(ByteStrings::new(&garbage).take(garbage.len() + 1).count() <= garbage.len());
    }

    #[test]
    fn byte_strings_come_out_as_they_went_in(
        items in vec(vec(any::<u8>(), 0..400), 0..20),
        large in option::of(0xfff0..0x1_0010_usize),
    ) {
        let mut items = items;
        items.extend(large.map(|size| vec![9; size]));
        let mut body = Vec::new();
        let mut ends = Vec::new();
        for item in &items {
            push_bytes(&mut body, item);
            ends.push(body.len());
        }
        let mut strings = ByteStrings::new(&body);
        for (item, end) in items.iter().zip(ends) {
            prop_assert_eq!(strings.next(), Some(Ok(&item[..])));
            prop_assert_eq!(strings.position(), end);
        }
        prop_assert_eq!(strings.next(), None);
    }

    #[test]
    fn byte_strings_cut_short_are_an_error_at_the_one_that_was_cut(
        items in vec(vec(any::<u8>(), 0..300), 1..8),
        at in any::<prop::sample::Index>(),
    ) {
        let mut body = Vec::new();
        let mut starts = vec![0];
        for item in &items {
            push_bytes(&mut body, item);
            starts.push(body.len());
        }
        let cut = at.index(body.len());
        let whole = starts.iter().filter(|start| (1..=cut).contains(*start)).count();
        // One more than there can be, so that a sequence that does not end is seen and not collected for ever.
        let read: Vec<_> = ByteStrings::new(&body[..cut]).take(whole + 2).collect();
        for (read, item) in read.iter().zip(&items[..whole]) {
            prop_assert_eq!(read.as_ref(), Ok(&&item[..]));
        }
        let error = (starts[whole] < cut).then_some(Err(BodyError::NotByteStrings(starts[whole])));
        prop_assert_eq!(read.get(whole).cloned(), error);
        prop_assert!(read.len() <= whole + 1);
    }
}

#[test]
fn byte_strings_travel_as_bytes_in_the_shortest_form() {
    for (len, head) in [(0, 2), (0xff, 2), (0x100, 3), (0xffff, 3), (0x1_0000, 5)] {
        let item = vec![0xee; len];
        let mut pushed = Vec::new();
        push_bytes(&mut pushed, &item);
        assert_eq!(pushed.len(), len + head);
        // The same as the serialised form, so that either side may use the other's.
        assert_eq!(encoded(serde_bytes::Bytes::new(&item)), pushed);
        assert_eq!(decode::<&serde_bytes::Bytes>(&pushed).unwrap().as_ref(), &item[..]);
    }
}

#[test]
fn text_and_bytes_are_borrowed_from_the_body() {
    let bytes = encoded(&("text", serde_bytes::Bytes::new(b"bytes")));
    let (text, raw): (&str, &[u8]) = decode(&bytes).unwrap();
    let range = bytes.as_ptr_range();
    assert!(range.contains(&text.as_ptr()) && range.contains(&raw.as_ptr()));
    assert_eq!((text, raw), ("text", &b"bytes"[..]));
}

#[test]
fn anything_but_a_byte_string_is_an_error_at_its_place_and_ends_the_sequence() {
    // A length above the body's, a nil, heads that are cut, text.
    let bad: [&[u8]; 7] = [
        &[0xc4, 5, 1],
        &[0xc0],
        &[0xc4],
        &[0xc5, 0],
        &[0xc6, 0, 0, 0],
        &[0xc6, 255, 255, 255, 255, 1],
        b"\xa1x",
    ];
    for bad in bad {
        let mut body = Vec::new();
        push_bytes(&mut body, b"good");
        let at = body.len();
        body.extend_from_slice(bad);
        let mut strings = ByteStrings::new(&body);
        assert_eq!(strings.next(), Some(Ok(&b"good"[..])));
        assert_eq!(strings.next(), Some(Err(BodyError::NotByteStrings(at))), "{bad:x?}");
        assert_eq!(strings.next(), None);
    }
}

#[test]
fn a_value_that_refuses_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let error = encode_into(&Broken(|| "refused".into()), &mut out).unwrap_err();
    assert!(matches!(&error, BodyError::Encode(reason) if reason.contains("refused")), "{error}");
    assert_eq!(out, b"before");
}

#[test]
fn a_value_that_panics_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let value = Broken(|| panic!("the value's own code"));
    let caught = catch_unwind(AssertUnwindSafe(|| encode_into(&value, &mut out)));
    assert!(caught.is_err());
    assert_eq!(out, b"before");
}

#[test]
fn a_value_of_another_type_is_an_error_that_names_the_one_expected() {
    let error = decode::<u32>(&encoded("text")).unwrap_err();
    let BodyError::Decode { expected, reason } = error else { panic!("{error}") };
    assert_eq!(expected, "u32");
    assert!(!reason.is_empty());
}

#[test]
fn no_bytes_are_no_value() {
    assert!(matches!(decode::<()>(&[]), Err(BodyError::Decode { .. })));
}

#[test]
fn values_nested_too_deep_are_an_error_and_not_the_end_of_the_stack() {
    assert!(decode::<Nest>(&nested(MAX_BODY_DEPTH / 4)).is_ok());
    for depth in [2 * MAX_BODY_DEPTH, 1_000_000] {
        assert!(matches!(decode::<Nest>(&nested(depth)), Err(BodyError::Decode { .. })));
    }
    // What follows a value is bounded as well.
    let mut bytes = encoded(&5_u8);
    bytes.extend(nested(1_000_000));
    assert_eq!(decode::<u8>(&bytes), Err(BodyError::TrailingBytes));
}

/// The most address space that this process has ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_length_that_is_announced_reserves_no_memory() {
    let before = peak_kib();
    // An array, a text and a byte string of four thousand million elements, of which none comes.
    for head in [0xdd, 0xdb, 0xc6] {
        let bytes = [head, 0xff, 0xff, 0xff, 0xff];
        assert!(decode::<Vec<u64>>(&bytes).is_err());
        assert!(decode::<String>(&bytes).is_err());
        assert!(decode::<serde_bytes::ByteBuf>(&bytes).is_err());
    }
    assert!(peak_kib() - before < 1024 * 1024, "most of a gigabyte was reserved");
}
