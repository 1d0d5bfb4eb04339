//! One end of a pair of rings, and another that writes into every word what it likes.

use super::{Need, RING_BYTES, RINGS_AT, Rings, Side};
use crate::fuzzing::Draw;

/// What the bytes of messages are taken from.
static BYTES: [u8; RING_BYTES] = [7; RING_BYTES];

/// Plays with an end as the bytes say.
pub(crate) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let (ours, fd) = Rings::create(Side::First).expect("memory is left");
    let theirs = Rings::open(&fd, Side::Second).expect("memory is left");
    let mut into = Vec::new();
    while !draw.is_over() {
        let need = need(&mut draw);
        match draw.below(14) {
            0..3 => spoil(&ours, &mut draw),
            3 if theirs.has_room(need) => _ = theirs.publish([&BYTES[..need.bytes], &[]], need),
            4 => _ = theirs.publish_short([draw.byte(); 8], draw.some_bytes(200)),
            5 | 6 if ours.has_room(need) => {
                let (one, other) = BYTES[..need.bytes].split_at(need.bytes / 2);
                ours.publish([one, other], need);
            }
            7 => {
                let len = draw.number() as usize;
                _ = ours.publish_short([draw.byte(); 8], &BYTES[..len.min(RING_BYTES)]);
            }
            8 => ours.await_room(need),
            9 => ours.await_bytes(),
            10 => {
                let len = draw.number() as usize;
                if ours.take_short(len, &mut into).is_some() {
                    assert_eq!(into.len(), len);
                }
            }
            11 => _ = ours.first_word(),
            12 => take(&ours, need, &mut into),
            _ => {
                _ = (ours.writer_has_closed(), ours.reader_has_closed());
                if draw.byte() == 0 {
                    ours.close();
                }
            }
        }
        if let Ok(there) = ours.available() {
            assert!(there <= RING_BYTES);
        }
    }
}

fn need(draw: &mut Draw<'_>) -> Need {
    let (bytes, rights) = ((draw.number() as usize).min(RING_BYTES), draw.below(80));
    Need {
        bytes,
        rights: rights.saturating_sub(16),
        beside: if draw.below(4) == 0 { draw.number() } else { 0 },
    }
}

/// Takes a message as whoever receives does: what is there is looked at, and then let go.
fn take(ours: &Rings, need: Need, into: &mut Vec<u8>) {
    if !ours.available().is_ok_and(|there| there >= need.bytes) {
        return;
    }
    into.resize(need.bytes.saturating_sub(8), 0);
    ours.peek(need.bytes.min(8), into);
    ours.consume(need);
}

/// The other side writes any number into any word.
fn spoil(ours: &Rings, draw: &mut Draw<'_>) {
    let words = RINGS_AT / 64;
    ours.region.store_word(draw.below(words) % 16 * 64, draw.number());
}
