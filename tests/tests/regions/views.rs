//! What is in a region: bytes, and values of plain types.

use callboard::testing::job;
use callboard::{AccessError, Mapping, Node, Queue, QueueOptions, Region, RegionOptions, Swap};
use callboard_tests::PATIENCE;

use crate::{NAME, SIZE};

fn mapped(node: &Node, size: usize) -> Mapping {
    node.anonymous::<Region>(RegionOptions::new(size)).map().unwrap()
}

/// > Bytes are read and written anywhere within a region; what is not within it is an error that says where, and nothing is done.
#[test]
fn bytes_are_read_and_written_within_the_region() {
    let job = job();
    let mapping = mapped(&job, 10);
    mapping.write(3, b"0123456").unwrap();
    mapping.write(0, b"").unwrap();
    for (at, len) in [(4, 7), (10, 1), (11, 0), (usize::MAX, 1)] {
        let error = AccessError::OutOfRange { at, len, of: 10 };
        assert_eq!(mapping.write(at, &vec![b'x'; len]), Err(error));
        assert_eq!(mapping.read(at, &mut vec![0; len]), Err(error));
        assert!(error.to_string().contains(&format!("{len} at {at} of what has 10")));
    }
    let mut all = [1; 10];
    mapping.read(0, &mut all).unwrap();
    assert_eq!(&all, b"\0\0\x000123456");
    assert_eq!(mapping.size_bytes(), 10);
}

/// > Numbers of a view are changed in one step by any processes: none is lost, and their neighbours stay.
#[test]
fn numbers_of_a_view_are_changed_in_one_step() {
    fn adds(_: &Node, region: Region) {
        let mapping = region.map().unwrap();
        let (small, large) = (mapping.view::<u16>().unwrap(), mapping.view::<i64>().unwrap());
        for _ in 0..10_000 {
            small.fetch_add(1, 1).unwrap();
            small.fetch_add(2, 2).unwrap();
            large.fetch_add(1, -1).unwrap();
        }
    }
    let job = job();
    let region: Region = job.anonymous(RegionOptions::new(16));
    let children: Vec<_> = (0..3).map(|_| job.spawn("adds", adds, region.clone()).unwrap()).collect();
    for child in children {
        child.join().unwrap();
    }
    let mapping = region.map().unwrap();
    let (small, large) = (mapping.view::<u16>().unwrap(), mapping.view::<i64>().unwrap());
    assert_eq!(small.copy_to_vec()[..4], [0, 30_000, 60_000, 0]);
    assert_eq!(
        (large.get(1), large.fetch_max(1, 7), large.fetch_min(1, 9)),
        (Some(-30_000), Ok(-30_000), Ok(7))
    );
    assert_eq!((large.fetch_min(1, 3), large.get(1)), (Ok(7), Some(3)));
    assert_eq!(small.compare_and_swap(3, 5, 1), Ok(Swap::Differs(0)));
    assert_eq!((small.compare_and_swap(3, 0, 5), small.get(3)), (Ok(Swap::Done), Some(5)));
    assert_eq!(small.fetch_add(3, u16::MAX), Ok(5));
    assert_eq!((small.get(2), small.get(3)), (Some(60_000), Some(4)));
    assert_eq!(small.fetch_add(8, 1), Err(AccessError::OutOfRange { at: 8, len: 1, of: 8 }));
}

/// > A view shows values of a plain type; a wrong size, place, number or index is an error that says which.
#[test]
fn views_show_values_of_plain_types() {
    let job = job();
    let mapping = mapped(&job, 40);
    let view = mapping.view::<u64>().unwrap();
    assert_eq!((view.len(), view.copy_to_vec()), (5, vec![0; 5]));
    view.copy_from_slice(&[1, 2, 3, 4, 5]).unwrap();
    view.set(2, 30).unwrap();
    assert_eq!((view.get(2), view.get(4), view.get(5)), (Some(30), Some(5), None));
    assert_eq!(view.iter().rev().collect::<Vec<u64>>(), [5, 4, 30, 2, 1]);
    assert_eq!(view.set(5, 0), Err(AccessError::OutOfRange { at: 5, len: 1, of: 5 }));
    assert_eq!(view.copy_from_slice(&[0; 4]), Err(AccessError::WrongLength { given: 4, expected: 5 }));
    let part = view.part(1, 3).unwrap();
    let mut copy = [0; 3];
    part.copy_to_slice(&mut copy).unwrap();
    assert_eq!(copy, [2, 30, 4]);
    assert_eq!(part.part(1, 3).map(drop), Err(AccessError::OutOfRange { at: 1, len: 3, of: 3 }));
    // The same bytes as others.
    let halves = mapping.view_at::<u16>(2, 3).unwrap();
    halves.copy_from_slice(&[0xffff, 0, 1]).unwrap();
    assert_eq!(view.get(0), Some(0x0001_0000_ffff_0001_u64.to_le()));
    let triples = mapping.view_at::<[u8; 3]>(1, 13).unwrap();
    triples.set(12, [7, 8, 9]).unwrap();
    assert_eq!((triples.get(12), triples.get(13)), (Some([7, 8, 9]), None));
    assert_eq!(view.get(4), Some(u64::from_ne_bytes([5, 0, 0, 0, 0, 7, 8, 9])));

    let indivisible = |size_bytes| Err(AccessError::Indivisible { len_bytes: 40, size_bytes });
    assert_eq!(mapping.view::<[u8; 3]>().map(drop), indivisible(3));
    assert_eq!(mapping.view::<()>().map(drop), indivisible(0));
    assert_eq!(mapping.view_at::<()>(0, 1).map(drop), indivisible(0));
    let misaligned = AccessError::Misaligned { at: 2, alignment: 4 };
    assert_eq!(mapping.view_at::<u32>(2, 1).map(drop), Err(misaligned));
    assert_eq!(misaligned.to_string(), "byte 2 for values that lie at multiples of 4");
    assert!(matches!(mapping.view_at::<u64>(8, 5), Err(AccessError::OutOfRange { at: 8, len: 40, of: 40 })));
    assert!(
        mapping.view_at::<u64>(8, usize::MAX).is_err() && mapping.view_at::<u64>(40, 0).unwrap().is_empty()
    );
    // SAFETY: nobody else has this region.
    let slice = unsafe { view.part(1, 2).unwrap().as_mut_slice() };
    slice.copy_from_slice(&[20, 33]);
    // SAFETY: as above, and the other slice is gone.
    assert_eq!(unsafe { view.as_slice() }[1..3], [20, 33]);
}

/// > A mapping to read sees what others write, and its memory is protected.
#[test]
fn a_mapping_to_read_sees_what_others_write() {
    fn writes(_: &Node, region: Region) {
        region.map().unwrap().view::<u32>().unwrap().set(3, 77).unwrap();
    }
    let job = job();
    let region: Region = job.create(NAME, RegionOptions::new(SIZE)).unwrap();
    let mapping = region.map_read_only().unwrap();
    let view = mapping.view::<u32>().unwrap();
    assert_eq!(view.get(3), Some(0));
    job.spawn("writes", writes, region).unwrap().join().unwrap();
    assert_eq!((view.get(3), view.len()), (Some(77), SIZE / 4));
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains("/memfd:callboard-region")).unwrap();
    assert!(line.contains(" r--s "), "{line}");
}

/// > A value within one word of eight bytes is read and written in one piece, and its neighbours are kept, whichever processes write at the
/// > same time.
#[test]
fn values_within_a_word_do_not_tear() {
    const TURNS: u64 = 100_000;
    fn writes(_: &Node, (region, who, go): (Region, u16, Queue<u64>)) {
        let mapping = region.map().unwrap();
        let (whole, halves) = (mapping.view::<u64>().unwrap(), mapping.view::<u16>().unwrap());
        go.get_timeout(PATIENCE).unwrap();
        for turn in 1..=TURNS {
            // All write the whole word 0, each with bytes alike, and each its own part of word 1.
            whole.set(0, u64::from_ne_bytes([(turn % 251) as u8; 8])).unwrap();
            halves.set(4 + usize::from(who), turn as u16).unwrap();
            assert_eq!(halves.get(4 + usize::from(who)), Some(turn as u16));
            let seen = whole.get(0).unwrap().to_ne_bytes();
            assert!(seen.iter().all(|byte| *byte == seen[0]), "{seen:?}");
        }
    }
    let job = job();
    let region: Region = job.anonymous(RegionOptions::new(16));
    let go: Queue<u64> = job.anonymous(QueueOptions::new());
    let spawn = |who| job.spawn("writes", writes, (region.clone(), who, go.clone())).unwrap();
    let children: Vec<_> = (0..4).map(spawn).collect();
    go.put_many(0..4).unwrap();
    children.iter().for_each(|child| child.join().unwrap());
    let mapping = region.map_read_only().unwrap();
    assert_eq!(mapping.view_at::<u16>(8, 4).unwrap().copy_to_vec(), [TURNS as u16; 4]);
}
