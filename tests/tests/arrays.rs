//! Values and arrays in shared memory: what others see of a change, and what a death does to it.

use std::time::Duration;

use callboard::{
    Array, ArrayError, ArrayOptions, LockError, NameError, Node, Process, Queue, QueueOptions, Swap, Value,
    ValueError, ValueOptions,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal};

callboard::test_door!();

const WITHIN: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(5);

/// Plain data of several words.
type Large = [u64; 9];

fn value<T: callboard::bytemuck::Pod>(node: &Node, initial: T) -> Value<T> {
    node.anonymous(ValueOptions::new(initial))
}

fn killed<R: serde::Serialize + serde::de::DeserializeOwned>(child: Process<R>) {
    child.kill().unwrap();
    assert!(child.join().is_err());
}

/// > Changes of a value that take its lock, or are one step, are never lost.
#[test]
fn no_change_of_a_value_by_several_processes_is_lost() {
    const TIMES: u64 = 5_000;
    fn changes(_: &Node, (count, sum, small, large): (Value<u64>, Value<i64>, Value<u8>, Value<Large>)) {
        for _ in 0..TIMES {
            *count.lock().unwrap() += 1;
            sum.add(-2).unwrap();
            small.fetch_add(1).unwrap();
            large.update(|values| values.map(|value| value + 1)).unwrap();
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let all = (value(&node, 7), value(&node, 5), value(&node, 0), value(&node, [1; 9]));
    let children: Vec<_> = (0..3).map(|_| node.spawn("changes", changes, all.clone()).unwrap()).collect();
    for child in children {
        child.join().unwrap();
    }
    let (count, sum, small, large) = all;
    assert_eq!(count.get(), Ok(7 + 3 * TIMES));
    assert_eq!(sum.get(), Ok(5 - 6 * TIMES as i64));
    assert_eq!(small.get(), Ok((3 * TIMES % 256) as u8));
    assert_eq!(large.get(), Ok([1 + 3 * TIMES; 9]));
}

#[test]
fn integers_are_changed_in_one_step_and_overflow_is_said() {
    let node = Node::start().unwrap();
    let byte = value(&node, 250_u8);
    assert_eq!(byte.add(5), Ok(255));
    assert_eq!(byte.add(1), Err(ValueError::Overflow("u8")));
    assert_eq!((byte.fetch_add(3), byte.get()), (Ok(255), Ok(2)));
    assert_eq!((byte.fetch_max(9), byte.fetch_max(4), byte.get()), (Ok(2), Ok(9), Ok(9)));
    assert_eq!((byte.fetch_min(5), byte.fetch_min(8), byte.get()), (Ok(9), Ok(5), Ok(5)));
    assert_eq!(byte.compare_and_swap(4, 1), Ok(Swap::Differs(5)));
    assert_eq!((byte.compare_and_swap(5, 1), byte.get()), (Ok(Swap::Done), Ok(1)));
    let number = value(&node, i64::MIN);
    assert_eq!(number.add(-1), Err(ValueError::Overflow("i64")));
    assert_eq!((number.fetch_add(-1), number.get()), (Ok(i64::MIN), Ok(i64::MAX)));
    assert_eq!((number.fetch_min(-3), number.get()), (Ok(i64::MAX), Ok(-3)));
    assert_eq!((number.compare_and_swap(-3, 8), number.get()), (Ok(Swap::Done), Ok(8)));
}

#[test]
fn a_value_is_read_while_another_changes_it_and_a_panic_changes_nothing() {
    let node = Node::start().unwrap();
    for _ in 0..2 {
        let large = value(&node, [3_u64; 9]);
        let mut guard = large.lock().unwrap();
        guard[0] = 4;
        assert_eq!(large.get(), Ok([3; 9]));
        assert_eq!(large.lock().unwrap_err(), LockError::HeldByCaller);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(large.try_lock().unwrap().is_none() && large.lock_timeout(SOON).unwrap().is_none());
            });
        });
        assert_eq!(large.holder().unwrap().map(|holder| holder.pid), Some(std::process::id()));
        drop(guard);
        assert_eq!(large.get().unwrap()[..2], [4, 3]);
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut guard = large.lock().unwrap();
            guard[1] = 5;
            large.get().unwrap()[guard[1] as usize + 9]
        }));
        assert!(panics.is_err());
        assert_eq!((large.get().unwrap()[1], large.holder()), (3, Ok(None)));
    }
}

/// > A killed process leaves a value as it was before the change, whole, and the next holder of its lock is told.
#[test]
fn a_process_that_is_killed_while_it_changes_a_value_has_changed_it_whole_or_not_at_all() {
    fn changes(_: &Node, (large, told): (Value<Large>, Queue<u32>)) {
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            *large.lock().unwrap() = [large.get().unwrap()[0] + 1; 9];
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let large = value(&node, [0_u64; 9]);
    let mut abandoned = 0;
    for _ in 0..rounds(5) {
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let children: Vec<_> =
            (0..2).map(|_| node.spawn("changes", changes, (large.clone(), told.clone())).unwrap()).collect();
        children.iter().for_each(|_| assert!(told.get().is_ok()));
        pause(random.time(Duration::from_millis(2)));
        children.into_iter().for_each(killed);
        let guard = large.lock_timeout(WITHIN).unwrap().unwrap();
        abandoned += u64::from(guard.was_abandoned());
        assert!(guard.iter().all(|value| *value == guard[0]), "{:?}", *guard);
    }
    assert!(rounds(5) < 50 || abandoned > 0, "some are killed with the lock in hand");
}

/// > An array is read by many or written by one, in place, in any process.
#[test]
fn an_array_is_read_and_written_in_place_by_any_process() {
    fn sums(_: &Node, array: Array<u64>) -> u64 {
        array.read(..).unwrap().iter().sum()
    }
    fn doubles(_: &Node, (array, from, to): (Array<u64>, usize, usize)) {
        array.write(from..to).unwrap().iter_mut().for_each(|value| *value *= 2);
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for stripes in [1, 3, 1_000] {
        let array: Array<u64> =
            node.anonymous(ArrayOptions::with((0..100).collect::<Vec<_>>()).stripes(stripes));
        assert_eq!(node.spawn("sums", sums, array.clone()).unwrap().join().unwrap(), 4_950);
        for (from, to) in [(0, 50), (50, 100), (7, 7)] {
            node.spawn("doubles", doubles, (array.clone(), from, to)).unwrap().join().unwrap();
        }
        assert_eq!((array.len(), array.get(99), array.to_vec(..2)), (Ok(100), Ok(198), Ok(vec![0, 2])));
        assert_eq!(array.update(99, |value| value / 2), Ok(99));
        array.set(99, 1).unwrap();
        array.copy_from_slice(1..3, &[8, 9]).unwrap();
        assert_eq!(array.to_vec(..4).unwrap(), [0, 8, 9, 6]);
        let wrong = array.copy_from_slice(1..3, &[1]).unwrap_err();
        assert_eq!(wrong, ArrayError::WrongLength { expected: 2, found: 1 });
        for out in [array.get(100), array.get(usize::MAX), array.read(98..101).map(|part| part[0])] {
            assert!(matches!(out, Err(ArrayError::OutOfRange { len: 100, .. })), "{out:?}");
        }
    }
    let empty: Array<u8> = node.anonymous(ArrayOptions::new(0));
    assert!(empty.write(..).unwrap().is_empty());
    let small: Array<u16> = node.create("/small", ArrayOptions::new(3)).unwrap();
    assert_eq!(small.to_vec(..).unwrap(), [0; 3]);
    assert!(matches!(node.open::<Array<i16>>("/small"), Err(NameError::WrongType { .. })));
}

/// > Guards of ranges in different stripes of an array do not wait for each other; of the same, one writes or many read.
#[test]
fn ranges_in_different_stripes_do_not_wait_for_each_other() {
    let node = Node::start().unwrap();
    let array: Array<u32> = node.anonymous(ArrayOptions::new(40).stripes(4));
    let other = |range: std::ops::Range<usize>, writes: bool| {
        std::thread::scope(|scope| {
            let tries = || {
                if writes {
                    array.write_timeout(range.clone(), SOON).unwrap().is_some()
                } else {
                    array.try_read(range.clone()).unwrap().is_some()
                }
            };
            scope.spawn(tries).join().unwrap()
        })
    };
    let mut first = array.write(5..15).unwrap();
    first[9] = 1;
    assert_eq!(first.range(), 5..15);
    assert!(!other(0..1, true) && !other(19..20, false) && !other(10..40, true));
    assert!(other(20..40, true));
    assert!(matches!(array.read(..), Err(ArrayError::Lock(LockError::HeldByCaller))));
    drop(first);
    let reads = array.read(..).unwrap();
    assert_eq!(reads[14], 1);
    assert!(other(0..40, false) && !other(39..40, true));
    drop(reads);
    assert!(other(0..40, true));
}

/// > A killed writer of an array is told of until another has written there.
#[test]
fn the_locks_of_an_array_come_back_from_the_dead_and_say_so() {
    fn writes(_: &Node, (array, told): (Array<u64>, Queue<u32>)) {
        let mut part = array.write(5..).unwrap();
        part.fill(7);
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let array: Array<u64> = node.anonymous(ArrayOptions::new(30).stripes(3));
    for round in 0..rounds(4) {
        array.write(..).unwrap().fill(0);
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let child = node.spawn("writes", writes, (array.clone(), told.clone())).unwrap();
        let pid = told.get().unwrap();
        assert!(array.try_read(29..).unwrap().is_none());
        if round % 2 == 0 {
            send_signal(pid, 19);
        }
        killed(child);
        let reads = array.read_timeout(.., WITHIN).unwrap().unwrap();
        assert!(reads.was_abandoned() && reads[5..].iter().all(|value| *value == 7));
        drop(reads);
        assert!(array.write(..10).unwrap().was_abandoned());
        assert!(array.write(10..).unwrap().was_abandoned());
        assert!(!array.read(..).unwrap().was_abandoned());
    }
}

#[test]
fn what_was_told_to_somebody_who_did_not_get_the_whole_part_is_told_again() {
    fn writes(_: &Node, (array, told): (Array<u64>, Queue<u32>)) {
        let _part = array.write(..1).unwrap();
        told.put_confirmed(std::process::id()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let node = Node::start().unwrap();
    let array: Array<u64> = node.anonymous(ArrayOptions::new(2).stripes(2));
    let told: Queue<u32> = node.anonymous(QueueOptions::new());
    let child = node.spawn("writes", writes, (array.clone(), told.clone())).unwrap();
    told.get().unwrap();
    killed(child);
    let second = array.write(1..).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(array.write_timeout(.., SOON).unwrap().is_none());
            eventually("the first is free", || {
                array.try_write(..1).unwrap().is_some_and(|part| part.was_abandoned())
            });
        });
    });
    drop(second);
}

/// > When its owner has ended, whoever uses a value or an array is told, and what is mapped stays mapped.
#[test]
fn whoever_uses_a_value_or_an_array_is_told_when_its_owner_has_ended() {
    fn own(node: &Node, told: Queue<(Value<u64>, Array<u64>)>) {
        told.put_confirmed((value(node, 5), node.anonymous(ArrayOptions::new(1_000_000)))).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let told: Queue<(Value<u64>, Array<u64>)> = node.anonymous(QueueOptions::new());
    let owner = node.spawn("own", own, told.clone()).unwrap();
    let (value, array) = told.get().unwrap();
    let mut all = array.write(..).unwrap();
    assert_eq!(value.get(), Ok(5));
    killed(owner);
    eventually("it is told", || value.get() == Err(LockError::Disconnected));
    all.fill(3);
    assert_eq!(all[999_999], 3);
    drop(all);
    assert_eq!(value.set(3).unwrap_err(), LockError::Disconnected);
    assert_eq!(array.get(0), Err(ArrayError::Lock(LockError::Disconnected)));
}

/// > Closed, a value or an array is over for everybody, and its memory goes with the last who has it mapped.
#[test]
fn a_closed_array_is_over_and_its_memory_comes_back() {
    fn waits(_: &Node, (array, told): (Array<u8>, Queue<u32>)) -> bool {
        assert_eq!(array.get(0), Ok(1));
        told.put_confirmed(1).unwrap();
        let ended = Err(ArrayError::Lock(LockError::Disconnected));
        eventually("it is closed", || array.get(0) == ended);
        array.write(..).is_err()
    }
    /// Of that size; other tests of this process have others.
    fn shared() -> usize {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let size = |line: &str| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            Some(usize::from_str_radix(to, 16).ok()? - usize::from_str_radix(from, 16).ok()?)
        };
        let regions = maps.lines().filter(|line| line.contains("callboard-region"));
        regions.filter_map(size).filter(|size| *size >= 10 << 20).count()
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let before = shared();
    for round in 0..3 {
        let array: Array<u8> =
            node.create(&format!("/large/{round}"), ArrayOptions::with(vec![1; 10 << 20])).unwrap();
        let told: Queue<u32> = node.anonymous(QueueOptions::new());
        let child = node.spawn("waits", waits, (array.clone(), told.clone())).unwrap();
        assert_eq!((told.get(), shared()), (Ok(1), before + 1));
        array.close().unwrap();
        array.close().unwrap();
        assert!(child.join().unwrap());
        assert_eq!(array.get(0), Err(ArrayError::Lock(LockError::Disconnected)));
        drop(array);
        assert_eq!(shared(), before);
    }
}

#[test]
fn parts_of_an_array_are_seen_in_several_dimensions() {
    let node = Node::start().unwrap();
    let array: Array<f64> = node.anonymous(ArrayOptions::with((0..6).map(f64::from).collect::<Vec<_>>()));
    let mut part = array.write(..).unwrap();
    part.view_mut((2, 3)).unwrap().row_mut(1).fill(9.0);
    assert_eq!(part.view((2, 3)).unwrap().column(0).to_vec(), [0.0, 9.0]);
    drop(part);
    let part = array.read(2..).unwrap();
    assert_eq!(part.view((2, 2)).unwrap().sum(), 2.0 + 27.0);
    assert!(part.view((3, 2)).is_err());
}

#[test]
fn what_there_is_no_memory_for_is_an_error_when_it_is_created() {
    let node = Node::start().unwrap();
    for len in [1 << 50, usize::MAX] {
        let error = Array::<u64>::anonymous(&node, ArrayOptions::new(len)).unwrap_err();
        assert!(matches!(error, LockError::System(_)), "{error}");
        let error = node.create::<Array<u64>>("/huge", ArrayOptions::new(len)).unwrap_err();
        assert!(matches!(error, NameError::NotMade { .. }), "{error}");
        let unmade: Array<u64> = node.anonymous(ArrayOptions::new(len));
        assert!(matches!(unmade.get(0), Err(ArrayError::Lock(LockError::System(_)))));
    }
    assert!(matches!(node.open::<Array<u64>>("/huge"), Err(NameError::NotFound(_))));
}
