//! Two ends in one process, and another side that writes what it likes.

use super::*;

fn pair() -> (Rings, Rings) {
    let (first, fd) = Rings::create(Side::First).unwrap();
    let second = Rings::open(&fd, Side::Second).unwrap();
    (first, second)
}

fn bytes(n: usize) -> Need {
    Need { bytes: n, rights: 0, beside: 0 }
}

#[test]
fn bytes_come_out_as_they_went_in_however_the_ring_wraps() {
    let (ours, theirs) = pair();
    let mut sent: u8 = 0;
    let mut expected: u8 = 0;
    for size in [1, 7, 4096, 100_000, RING_BYTES, 33, 200_000, 65_537, 9] {
        let message: Vec<u8> = (0..size)
            .map(|_| {
                sent = sent.wrapping_add(1);
                sent
            })
            .collect();
        assert!(ours.has_room(bytes(size)));
        let (a, b) = message.split_at(size / 3);
        assert!(!ours.publish([a, b], bytes(size)), "nobody waits");
        assert_eq!(theirs.available().unwrap(), size);
        let mut got = vec![0; size];
        theirs.peek(0, &mut got);
        assert!(!theirs.consume(bytes(size)), "nobody waits");
        for byte in got {
            expected = expected.wrapping_add(1);
            assert_eq!(byte, expected);
        }
    }
}

#[test]
fn who_waits_is_woken_once_there_is_enough() {
    let (ours, theirs) = pair();
    theirs.await_bytes();
    assert!(ours.publish([&[1; 10], &[]], bytes(10)));
    assert!(!ours.publish([&vec![1; RING_BYTES - 10], &[]], bytes(RING_BYTES - 10)));
    assert!(!ours.has_room(bytes(1)));
    ours.await_room(bytes(100));
    assert!(!theirs.consume(bytes(99)));
    assert!(theirs.consume(bytes(1)) && ours.has_room(bytes(100)) && !ours.has_room(bytes(101)));
}

#[test]
fn descriptors_and_bytes_beside_the_ring_have_limits_of_their_own() {
    let (ours, theirs) = pair();
    let rights = |rights| Need { bytes: 8, rights, beside: 0 };
    assert!(ours.has_room(rights(MAX_RIGHTS)) && !ours.has_room(rights(MAX_RIGHTS + 1)));
    ours.publish([&[0; 8], &[]], rights(MAX_RIGHTS));
    assert!(!ours.has_room(rights(1)) && ours.has_room(rights(0)));
    theirs.consume(rights(2));
    assert!(ours.has_room(rights(2)));
    // One large message may always go alone.
    let beside = |beside| Need { bytes: 8, rights: 0, beside };
    assert!(ours.has_room(beside(4 * MAX_BESIDE)));
    ours.publish([&[0; 8], &[]], beside(MAX_BESIDE));
    assert!(!ours.has_room(beside(1)));
}

#[test]
fn a_ring_that_claims_too_much_is_an_error() {
    let (ours, theirs) = pair();
    ours.out().claim(RING_BYTES as u64 + 1, 0);
    assert!(theirs.available().is_err());
    ours.out().claim(RING_BYTES as u64 + 1, u64::MAX / 2);
    ours.seen_head.store(u64::MAX / 2, Relaxed);
    assert!(!ours.has_room(bytes(1)));
}

proptest::proptest! {
    /// What the other side writes into the page may be anything: reading it is an error or takes bytes that lie in the ring,
    /// writing goes on or finds no room, and nothing is touched beyond.
    #[test]
    fn rubbish_in_the_page_is_an_error_or_a_wrong_message(
        words in proptest::collection::vec(proptest::num::u64::ANY, 64),
        near in proptest::collection::vec((0..128_usize, 0..2 * RING_BYTES as u64), 0..8),
        lens in proptest::collection::vec(0..RING_BYTES + 9, 1..6),
    ) {
        let (ours, _) = Rings::create(Side::First).unwrap();
        let page = ours.region.base().cast::<AtomicU64>();
        for (place, word) in words.iter().copied().enumerate().chain(near) {
            // SAFETY: the words of both directions are 128 times 8 bytes at the beginning of the page.
            let place = unsafe { page.add(place * 2 % 128) };
            // SAFETY: as before; they are atomics, and live as long as `ours`.
            unsafe { place.as_ref() }.store(word, Relaxed);
        }
        for len in lens {
            let need = Need { bytes: len, rights: len % 3, beside: len as u64 % 2 };
            if let Ok(there) = ours.available() {
                assert!(there <= RING_BYTES);
                let mut into = vec![0; len.min(there)];
                ours.peek(there - into.len(), &mut into);
                ours.consume(Need { bytes: into.len(), ..need });
            }
            let mut into = Vec::new();
            if ours.first_word().is_some() && ours.take_short(len, &mut into).is_some() {
                assert_eq!(into.len(), len);
            }
            ours.publish_short([7; WORD_BYTES], &vec![7; len]);
            if len <= RING_BYTES && ours.has_room(need) {
                ours.publish([&vec![7; len], &[]], need);
            }
        }
    }
}
