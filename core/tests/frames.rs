//! What is appended as messages comes out as the same messages, however the bytes are cut; what is no frame is an
//! error that says so, and costs no memory.

use callboard_core::limits::{MAX_FRAME_BODY_BYTES, MAX_FRAME_DESCRIPTORS, READ_BUFFER_BYTES};
use callboard_core::{
    Assembler, Decoder, Flags, FrameError, HEADER_BYTES, Header, Kind, Slot, append_message,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

type Owned = (Header, Vec<u8>);

const KINDS: [Kind; 7] =
    [Kind::Hello, Kind::Cast, Kind::Call, Kind::Reply, Kind::Items, Kind::Doorbell, Kind::Refuse];

/// The most room that a decoder may offer: a frame's body and what one read brings.
const MAX_SPARE_BYTES: usize = MAX_FRAME_BODY_BYTES + READ_BUFFER_BYTES;

fn header(index: u32, word: u64) -> Header {
    let slot = Slot { index, generation: 1 };
    Header { length: 0, kind: Kind::Items, flags: Flags::NONE, descriptors: 0, slot, word }
}

fn any_header() -> impl Strategy<Value = Header> {
    let flags = select(vec![Flags::NONE, Flags::FAILED, Flags::TAGGED, Flags::FAILED.with(Flags::TAGGED)]);
    let descriptors = 0..=MAX_FRAME_DESCRIPTORS as u16;
    (select(&KINDS[..]), flags, descriptors, any::<(u32, u32, u64)>()).prop_map(
        |(kind, flags, descriptors, (index, generation, word))| {
            let slot = Slot { index, generation };
            Header { length: 0, kind, flags, descriptors, slot, word }
        },
    )
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let one = MAX_FRAME_BODY_BYTES;
    let size = prop_oneof![
        4 => Just(0),
        16 => 1..400_usize,
        4 => 400..20_000_usize,
        1 => one - 1..=one + 1,
        1 => 2 * one - 1..=2 * one + 1,
        1 => one..3 * one,
    ];
    // Bytes that differ from place to place, so that a chunk lost, doubled or moved is seen.
    (size, any::<u32>()).prop_map(|(size, seed)| {
        (0..size as u32).map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
    })
}

/// Feeds `bytes` in reads of these sizes, again and again, and hands every frame to `each`.
fn feed(
    decoder: &mut Decoder,
    bytes: &[u8],
    reads: &[usize],
    mut each: impl FnMut(Header, &[u8]) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let mut rest = bytes;
    let mut sizes = reads.iter().cycle();
    while !rest.is_empty() {
        let room = decoder.spare();
        assert!(room.len() >= 4096 && room.len() <= MAX_SPARE_BYTES, "room for {} bytes", room.len());
        let size = room.len().min(rest.len()).min(*sizes.next().unwrap());
        room[..size].copy_from_slice(&rest[..size]);
        rest = &rest[size..];
        decoder.filled(size);
        while let Some(frame) = decoder.next()? {
            each(frame.header, frame.body)?;
        }
    }
    Ok(())
}

fn frames_of(bytes: &[u8]) -> Vec<Owned> {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    let each = |header, body: &[u8]| {
        frames.push((header, body.to_vec()));
        Ok(())
    };
    feed(&mut decoder, bytes, &[usize::MAX], each).unwrap();
    assert!(decoder.is_clean());
    frames
}

/// What the decoder says of one frame of these bytes.
fn error_of(bytes: &[u8]) -> FrameError {
    feed(&mut Decoder::new(), bytes, &[usize::MAX], |_, _| Ok(())).unwrap_err()
}

fn accept(assembler: &mut Assembler, header: Header, body: &[u8]) -> Result<Option<Owned>, FrameError> {
    let message = assembler.accept(header, body)?;
    Ok(message.map(|message| (message.header, message.body.to_vec())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn messages_are_the_same_after_any_cuts(
        messages in vec((any_header(), any_body()), 0..12),
        reads in vec(prop_oneof![1..60_usize, 1..5_000_usize, 1..200_000_usize], 1..12),
    ) {
        let mut bytes = Vec::new();
        for (header, body) in &messages {
            append_message(&mut bytes, *header, body);
        }
        let mut decoder = Decoder::new();
        let mut assembler = Assembler::new();
        let mut got = Vec::new();
        let each = |header, body: &[u8]| {
            got.extend(accept(&mut assembler, header, body)?);
            Ok(())
        };
        feed(&mut decoder, &bytes, &reads, each).unwrap();
        prop_assert!(decoder.is_clean());
        prop_assert_eq!(got.len(), messages.len());
        for ((header, body), (sent, sent_body)) in got.iter().zip(&messages) {
            let length = sent_body.len().min(MAX_FRAME_BODY_BYTES) as u32;
            prop_assert_eq!(*header, Header { length, ..*sent });
            // Compared, not printed: a body may have most of a megabyte.
            prop_assert!(body == sent_body, "a body of {} bytes has changed", sent_body.len());
        }
    }

    #[test]
    fn garbage_neither_panics_nor_takes_memory(
        garbage in vec(any::<u8>(), 0..3_000),
        reads in vec(1..500_usize, 1..6),
    ) {
        // `feed` holds the room that is offered below its limit.
        let mut assembler = Assembler::new();
        let each = |header, body: &[u8]| assembler.accept(header, body).map(|_| ());
        let _ = feed(&mut Decoder::new(), &garbage, &reads, each);
    }

    #[test]
    fn one_changed_byte_neither_panics_nor_takes_memory(
        messages in vec((any_header(), vec(any::<u8>(), 0..100)), 1..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        reads in vec(1..90_usize, 1..6),
    ) {
        let mut bytes = Vec::new();
        for (header, body) in &messages {
            append_message(&mut bytes, *header, body);
        }
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut assembler = Assembler::new();
        let each = |header, body: &[u8]| assembler.accept(header, body).map(|_| ());
        let _ = feed(&mut Decoder::new(), &bytes, &reads, each);
    }

    #[test]
    fn a_header_that_decodes_encodes_to_the_same_bytes(bytes in any::<[u8; HEADER_BYTES]>(), tame: bool) {
        let mut bytes = bytes;
        if tame {
            // Otherwise hardly any would decode.
            (bytes[2], bytes[3]) = (bytes[2] & 3, 0);
            (bytes[4], bytes[5], bytes[7]) = (bytes[4] % 8, bytes[5] % 8, bytes[7] % 4);
        }
        if let Ok(header) = Header::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
        }
    }
}

#[test]
fn the_header_travels_as_its_table_says() {
    let slot = Slot { index: 0x0403_0201, generation: 0x0807_0605 };
    let flags = Flags::FAILED.with(Flags::TAGGED);
    let word = 0x1817_1615_1413_1211;
    let sent = Header { length: 0, kind: Kind::Items, flags, descriptors: 0x0102, slot, word };
    let mut bytes = b"before".to_vec();
    append_message(&mut bytes, sent, b"body!");
    #[rustfmt::skip]
    let expected = [
        5, 0, 0, 0, // length
        5, // items
        2 | 4, // flags
        2, 1, // descriptors
        1, 2, 3, 4, // index
        5, 6, 7, 8, // generation
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, // word
        b'b', b'o', b'd', b'y', b'!',
    ];
    assert_eq!(&bytes[..6], b"before");
    assert_eq!(bytes[6..], expected);
    assert_eq!(HEADER_BYTES, 24);
    assert_eq!(KINDS.map(|kind| Header { kind, ..sent }.encode()[4]), [1, 2, 3, 4, 5, 6, 7]);
    let marks = [Flags::NONE, Flags::MORE, Flags::FAILED, Flags::TAGGED];
    assert_eq!(marks.map(|flags| Header { flags, ..sent }.encode()[5]), [0, 1, 2, 4]);
}

#[test]
fn only_the_first_chunk_announces_descriptors_and_only_the_last_has_no_more() {
    let sent = Header { descriptors: 3, flags: Flags::TAGGED.with(Flags::MORE), ..header(9, 1) };
    let mut bytes = Vec::new();
    append_message(&mut bytes, sent, &vec![1; 2 * MAX_FRAME_BODY_BYTES + 1]);
    let told: Vec<_> = frames_of(&bytes)
        .iter()
        .map(|(header, _)| (header.length as usize, header.descriptors, header.flags))
        .collect();
    let more = Flags::TAGGED.with(Flags::MORE);
    let one = MAX_FRAME_BODY_BYTES;
    assert_eq!(told, [(one, 3, more), (one, 0, more), (1, 0, Flags::TAGGED)]);
}

#[test]
fn a_body_of_just_the_limit_is_one_frame() {
    let mut bytes = Vec::new();
    append_message(&mut bytes, header(1, 1), &vec![1; MAX_FRAME_BODY_BYTES]);
    assert_eq!(bytes.len(), HEADER_BYTES + MAX_FRAME_BODY_BYTES);
}

#[test]
fn every_part_of_a_header_that_cannot_be_is_named() {
    let good = header(1, 1).encode();
    let with = |at: usize, part: &[u8]| {
        let mut bytes = good;
        bytes[at..at + part.len()].copy_from_slice(part);
        error_of(&bytes)
    };
    for kind in (0..=u8::MAX).filter(|kind| !(1..=7).contains(kind)) {
        assert_eq!(with(4, &[kind]), FrameError::UnknownKind(kind));
    }
    for flags in 16..=u8::MAX {
        assert_eq!(with(5, &[flags]), FrameError::UnknownFlags(flags));
    }
    for length in [MAX_FRAME_BODY_BYTES as u32 + 1, u32::MAX] {
        assert_eq!(with(0, &length.to_le_bytes()), FrameError::BodyTooLong(length));
    }
    for descriptors in [MAX_FRAME_DESCRIPTORS as u16 + 1, u16::MAX] {
        assert_eq!(with(6, &descriptors.to_le_bytes()), FrameError::TooManyDescriptors(descriptors));
    }
}

#[test]
fn after_bad_bytes_the_frames_before_have_come_and_the_error_stays() {
    let mut bytes = Vec::new();
    append_message(&mut bytes, header(1, 1), b"good");
    bytes.extend_from_slice(&[0xff; HEADER_BYTES]);
    append_message(&mut bytes, header(2, 2), b"never seen");
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    let error = feed(&mut decoder, &bytes, &[usize::MAX], |header, _| {
        seen.push(header.word);
        Ok(())
    })
    .unwrap_err();
    assert_eq!(seen, [1]);
    decoder.spare()[..HEADER_BYTES].copy_from_slice(&header(3, 3).encode());
    decoder.filled(HEADER_BYTES);
    assert_eq!(decoder.next(), Err(error));
    assert!(!decoder.is_clean());
}

#[test]
fn bytes_that_end_within_a_frame_are_not_clean() {
    let mut bytes = Vec::new();
    append_message(&mut bytes, header(1, 1), b"body");
    for end in 1..bytes.len() {
        let mut decoder = Decoder::new();
        let none = |_, _: &[u8]| panic!("a frame of {end} bytes");
        feed(&mut decoder, &bytes[..end], &[usize::MAX], none).unwrap();
        assert!(!decoder.is_clean(), "after {end} bytes");
    }
}

#[test]
#[should_panic(expected = "no more than there was room for")]
fn more_than_there_was_room_for_cannot_be_filled() {
    let mut decoder = Decoder::new();
    let room = decoder.spare().len();
    decoder.filled(room + 1);
}
