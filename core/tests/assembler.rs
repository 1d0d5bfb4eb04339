//! Chunks become messages again, whatever passes between them, and unfinished messages have limits.

use callboard_core::limits::{MAX_FRAME_BODY_BYTES, MAX_MESSAGE_BYTES, MAX_UNFINISHED_MESSAGES};
use callboard_core::{Assembler, Flags, FrameError, Header, Kind, Slot};
use proptest::collection::vec;
use proptest::prelude::*;

fn header(index: u32, word: u64) -> Header {
    let slot = Slot { index, generation: 1 };
    Header { length: 0, kind: Kind::Items, flags: Flags::NONE, descriptors: 0, slot, word }
}

fn accept(
    assembler: &mut Assembler,
    header: Header,
    body: &[u8],
) -> Result<Option<(Header, Vec<u8>)>, FrameError> {
    let message = assembler.accept(header, body)?;
    Ok(message.map(|message| (message.header, message.body.to_vec())))
}

proptest! {
    #[test]
    fn frames_for_other_destinations_may_pass_between_chunks(
        chunks in vec(vec(vec(any::<u8>(), 0..20), 1..6), 1..8),
        turns in vec(any::<prop::sample::Index>(), 48),
    ) {
        // By hand, as small chunks are whole ones to the assembler.
        let mut left: Vec<(u32, &[Vec<u8>])> = (0..).zip(chunks.iter().map(Vec::as_slice)).collect();
        let mut assembler = Assembler::new();
        let mut turns = turns.iter();
        while !left.is_empty() {
            let at = turns.next().unwrap().index(left.len());
            let (index, [chunk, later @ ..]) = left[at] else { unreachable!("finished ones leave") };
            let flags = if later.is_empty() { Flags::NONE } else { Flags::MORE };
            let length = chunk.len() as u32;
            let frame = Header { length, flags, ..header(index, 7) };
            let got = accept(&mut assembler, frame, chunk).unwrap();
            left[at].1 = later;
            if later.is_empty() {
                left.remove(at);
                let (first, body) = got.expect("the last chunk makes the message");
                let whole = &chunks[index as usize];
                prop_assert_eq!(first, Header { length: whole[0].len() as u32, ..header(index, 7) });
                prop_assert_eq!(body, whole.concat());
            } else {
                prop_assert_eq!(got, None);
            }
        }
    }
}

#[test]
fn a_message_of_just_the_limit_is_whole_and_one_byte_more_is_too_long() {
    let chunk = vec![7; MAX_FRAME_BODY_BYTES];
    let more = Header { flags: Flags::MORE, length: chunk.len() as u32, ..header(1, 1) };
    for (last, fits) in [(&chunk[..0], true), (&chunk[..1], false)] {
        let mut assembler = Assembler::new();
        for _ in 0..MAX_MESSAGE_BYTES / MAX_FRAME_BODY_BYTES {
            assert_eq!(assembler.accept(more, &chunk), Ok(None));
        }
        let length = last.len() as u32;
        match assembler.accept(Header { length, ..header(1, 1) }, last) {
            Ok(message) => assert!(fits && message.unwrap().body.len() == MAX_MESSAGE_BYTES),
            Err(error) => assert!(!fits && error == FrameError::MessageTooLong),
        }
    }
}

#[test]
fn what_is_finished_no_longer_counts_against_the_limits() {
    let chunk = vec![7; MAX_FRAME_BODY_BYTES];
    let mut assembler = Assembler::new();
    // More messages, and more bytes, than may be unfinished at a time.
    for round in 0..=(MAX_MESSAGE_BYTES / MAX_FRAME_BODY_BYTES) as u64 {
        let last = Header { length: chunk.len() as u32, ..header(1, round) };
        assert_eq!(assembler.accept(Header { flags: Flags::MORE, ..last }, &chunk), Ok(None));
        let message = assembler.accept(last, b"").unwrap().unwrap();
        assert_eq!(message.body.len(), chunk.len());
    }
}

#[test]
fn one_message_too_many_begun_is_an_error_and_a_whole_one_still_passes() {
    let mut assembler = Assembler::new();
    let begin = |word| Header { flags: Flags::MORE, ..header(1, word) };
    for word in 0..MAX_UNFINISHED_MESSAGES as u64 {
        assert_eq!(assembler.accept(begin(word), b"x"), Ok(None));
    }
    assert!(accept(&mut assembler, header(2, 0), b"whole").unwrap().is_some());
    let next = MAX_UNFINISHED_MESSAGES as u64;
    assert_eq!(assembler.accept(begin(next), b"x"), Err(FrameError::TooManyUnfinished));
}

#[test]
fn a_message_that_never_ends_is_too_long_also_beside_others() {
    let chunk = vec![7; MAX_FRAME_BODY_BYTES];
    let begin = |index| Header { flags: Flags::MORE, length: chunk.len() as u32, ..header(index, 1) };
    let mut assembler = Assembler::new();
    // All that is unfinished counts together: a peer must not get the limit once for each destination.
    let mut frames = (0..MAX_UNFINISHED_MESSAGES as u32).cycle();
    for index in frames.by_ref().take(MAX_MESSAGE_BYTES / MAX_FRAME_BODY_BYTES) {
        assert_eq!(assembler.accept(begin(index), &chunk), Ok(None));
    }
    let next = begin(frames.next().unwrap());
    assert_eq!(assembler.accept(next, &chunk[..1]), Err(FrameError::MessageTooLong));
}

#[test]
fn a_long_message_has_the_marks_and_descriptors_of_its_first_frame() {
    let first = Header { flags: Flags::TAGGED.with(Flags::MORE), descriptors: 2, length: 1, ..header(1, 1) };
    let last = Header { flags: Flags::TAGGED, descriptors: 0, length: 1, ..first };
    let mut assembler = Assembler::new();
    assert_eq!(assembler.accept(first, b"a"), Ok(None));
    let (header, body) = accept(&mut assembler, last, b"b").unwrap().unwrap();
    assert_eq!(header, Header { flags: Flags::TAGGED, ..first });
    assert_eq!(body, b"ab");
}

#[test]
fn the_kind_and_the_word_tell_messages_to_one_slot_apart() {
    let call = Header { kind: Kind::Call, flags: Flags::MORE, ..header(1, 1) };
    let mut assembler = Assembler::new();
    assert_eq!(assembler.accept(call, b"begun"), Ok(None));
    for other in [header(1, 1), Header { kind: Kind::Call, ..header(1, 2) }] {
        assert_eq!(accept(&mut assembler, other, b"whole"), Ok(Some((other, b"whole".to_vec()))));
    }
    let (_, body) =
        accept(&mut assembler, Header { flags: Flags::NONE, ..call }, b", ended").unwrap().unwrap();
    assert_eq!(body, b"begun, ended");
}
