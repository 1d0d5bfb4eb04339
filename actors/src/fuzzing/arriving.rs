//! The bytes of a connection, in reads of any size, with any descriptors. They come to the same messages however they were cut, and
//! what waits for more stays within limits.

use std::ops::ControlFlow;

use callboard_core::{Flags, Header, Kind, Slot, append_message, limits};

use super::Draw;
use crate::arriving::Arriving;

/// A message as it came: its header, its body, and the numbers of its descriptors.
type Seen = (Header, Vec<u8>, Vec<u32>);

pub(super) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let stream = stream(&mut draw);
    let mut whole = Arriving::default();
    let at_once = read(&mut whole, &stream, stream.len().max(1), &[]);
    let cut = usize::from(draw.byte()) + 1;
    let mut pieces = Arriving::default();
    let in_pieces = read(&mut pieces, &stream, cut, &[]);
    assert_eq!(at_once, in_pieces, "cut every {cut} bytes");
    // With descriptors that may or may not be those announced.
    let given = draw.rest();
    read(&mut Arriving::default(), &stream, cut, given);
}

/// Frames, mostly sound ones, with a few bytes that are none between them.
fn stream(draw: &mut Draw<'_>) -> Vec<u8> {
    const KINDS: [Kind; 7] =
        [Kind::Hello, Kind::Cast, Kind::Call, Kind::Reply, Kind::Items, Kind::Doorbell, Kind::Refuse];
    let mut bytes = Vec::new();
    for _ in 0..draw.byte() % 24 {
        match draw.below(16) {
            0 => bytes.extend_from_slice(draw.some_bytes()),
            1 => {
                let mut frame = [0; limits::HEADER_BYTES];
                frame.fill_with(|| draw.byte());
                bytes.extend_from_slice(&frame);
            }
            shape => {
                let slot = Slot { index: draw.below(3) as u32, generation: 1 };
                let flags = if shape > 9 { Flags::MORE } else { Flags::NONE };
                let descriptors = if shape % 4 == 0 { draw.below(4) as u16 } else { 0 };
                let (kind, word) = (KINDS[draw.below(KINDS.len())], draw.below(3) as u64);
                let header = Header { length: 0, kind, flags, descriptors, slot, word };
                let body = draw.some_bytes();
                if flags == Flags::MORE {
                    let length = body.len() as u32;
                    bytes.extend_from_slice(&Header { length, ..header }.encode());
                    bytes.extend_from_slice(body);
                } else {
                    append_message(&mut bytes, header, body);
                }
            }
        }
    }
    bytes
}

/// Reads all of it in pieces, each with as many descriptors as `given` says; what came of it, and what was wrong.
fn read(
    arriving: &mut Arriving<u32>,
    mut stream: &[u8],
    piece: usize,
    given: &[u8],
) -> (Vec<Seen>, Option<String>) {
    let (mut seen, mut next) = (Vec::new(), 0);
    let mut given = given.iter();
    while !stream.is_empty() {
        let (now, later) = stream.split_at(piece.min(stream.len()));
        stream = later;
        for _ in 0..given.next().copied().unwrap_or(0) % 5 {
            arriving.descriptors.push_back(next);
            next += 1;
        }
        let mut left = now;
        while !left.is_empty() {
            let spare = arriving.decoder.spare();
            let count = left.len().min(spare.len());
            spare[..count].copy_from_slice(&left[..count]);
            arriving.decoder.filled(count);
            left = &left[count..];
            let handled = arriving.handle(|header, body, rights| {
                assert_eq!(header.flags.without(Flags::MORE), header.flags, "a whole message");
                seen.push((*header, body.to_vec(), rights));
                ControlFlow::<()>::Continue(())
            });
            if let Err(wrong) = handled {
                return (seen, Some(wrong));
            }
            assert!(arriving.waiting_descriptors() <= 2 * limits::MAX_FRAME_DESCRIPTORS);
            assert!(arriving.decoder.buffered() <= limits::MAX_FRAME_BODY_BYTES + limits::HEADER_BYTES);
        }
    }
    (seen, None)
}
