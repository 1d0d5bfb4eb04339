//! What CPython holds of its values and arrays in shared memory, with the other half in every place.

use callboard::bytemuck::{Pod, Zeroable};
use callboard::{Array, ArrayError, ArrayOptions, LockError, Node, Value, ValueOptions};

use crate::place::Place;
use crate::sample::{Ended, Sample, or_ended};

/// A value sums up what it is given.
impl Sample for Value<u64> {
    fn options() -> ValueOptions<u64> {
        ValueOptions::new(0)
    }

    fn give(&self, n: u64) {
        self.add(n).unwrap();
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        vec![self.get().unwrap()]
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        vec![given.iter().sum()]
    }

    fn ask(&self) -> Result<(), Ended> {
        let _guard = or_ended!(self.lock(), LockError::Disconnected)?;
        or_ended!(self.holder().map(drop), LockError::Disconnected)
    }
}

/// How many numbers it has, then the numbers.
impl Sample for Array<u64> {
    fn options() -> ArrayOptions<u64> {
        ArrayOptions::new(64)
    }

    fn give(&self, n: u64) {
        let mut all = self.write(..).unwrap();
        all[0] += 1;
        let count = all[0] as usize;
        all[count] = n;
    }

    fn numbers(&self, _: usize) -> Vec<u64> {
        let all = self.read(..).unwrap();
        all[1..=all[0] as usize].to_vec()
    }

    fn expected(given: &[u64]) -> Vec<u64> {
        given.to_vec()
    }

    fn ask(&self) -> Result<(), Ended> {
        or_ended!(self.get(0).map(drop), ArrayError::Lock(LockError::Disconnected))
    }
}

/// Plain data of several fields.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    x: i64,
    y: f64,
}

// SAFETY: all zeros are a point.
unsafe impl Zeroable for Point {}
// SAFETY: two fields of eight bytes each, of which any bits are values, and nothing between them.
unsafe impl Pod for Point {}

type Five = (Value<i32>, Value<f64>, Value<u16>, Value<i64>, Value<u8>);

fn values_of_five_types_are_set_by_the_other_half(place: Place) {
    fn sets(_: &Node, (int, float, short, long, byte): Five) {
        assert_eq!((int.get(), float.get(), short.get()), (Ok(4_343), Ok(3.625), Ok(600)));
        int.set(24_234).unwrap();
        float.set(-4.25).unwrap();
        short.set(1).unwrap();
        long.set(1 << 33).unwrap();
        byte.set(b'y').unwrap();
    }
    let home = Node::start().unwrap();
    let (int, float) = (home.anonymous(ValueOptions::new(4_343)), home.anonymous(ValueOptions::new(3.625)));
    let (short, long) = (home.anonymous(ValueOptions::new(600)), home.anonymous(ValueOptions::new(-1)));
    let byte = home.anonymous(ValueOptions::new(b'c'));
    let five: Five = (int, float, short, long, byte);
    place.run(&home, sets, five.clone());
    let (int, float, short, long, byte) = five;
    assert_eq!((int.get(), float.get(), short.get()), (Ok(24_234), Ok(-4.25), Ok(1)));
    assert_eq!((long.get(), byte.get()), (Ok(1 << 33), Ok(b'y')));
}

in_every_place!(values_of_five_types_are_set_by_the_other_half);

fn a_value_has_a_lock_of_its_own(place: Place) {
    fn waits(_: &Node, value: Value<i32>) -> (bool, Result<i32, LockError>) {
        (value.try_lock().unwrap().is_none(), value.get())
    }
    let home = Node::start().unwrap();
    let value: Value<i32> = home.create("/value", ValueOptions::new(5)).unwrap();
    let mut guard = value.lock().unwrap();
    *guard = 6;
    if place != Place::Thread {
        // What its holder changes is there when it has given the lock back.
        assert_eq!(place.run(&home, waits, value.clone()), (true, Ok(5)));
    }
    drop(guard);
    assert_eq!(place.run(&home, waits, value.clone()), (false, Ok(6)));
}

in_every_place!(a_value_has_a_lock_of_its_own);

fn an_array_is_summed_up_by_the_other_half(place: Place) {
    /// Each becomes the sum of itself and all before it.
    fn sums(_: &Node, array: Array<i32>) {
        let mut all = array.write(..).unwrap();
        for index in 1..all.len() {
            all[index] += all[index - 1];
        }
    }
    let home = Node::start().unwrap();
    let mut sequence = [680, 626, 934, 821, 150, 233, 548, 982, 714, 831];
    let array: Array<i32> = home.anonymous(ArrayOptions::with(sequence));
    assert_eq!((array.len(), array.to_vec(..).unwrap()), (Ok(10), sequence.to_vec()));
    assert_eq!(array.to_vec(2..7).unwrap(), sequence[2..7]);
    array.copy_from_slice(4..8, &[1, 2, 3, 4]).unwrap();
    sequence[4..8].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!(array.read(..).unwrap()[3..9], sequence[3..9]);
    place.run(&home, sums, array.clone());
    for index in 1..10 {
        sequence[index] += sequence[index - 1];
    }
    assert_eq!(array.to_vec(..).unwrap(), sequence);
    assert!(matches!(array.get(10), Err(ArrayError::OutOfRange { .. })));
    let short = array.copy_from_slice(4..8, &[1]);
    assert_eq!(short, Err(ArrayError::WrongLength { expected: 4, found: 1 }));
}

in_every_place!(an_array_is_summed_up_by_the_other_half);

fn new_arrays_are_zeros(place: Place) {
    fn fills(_: &Node, array: Array<u64>) {
        assert!(array.read(..).unwrap().iter().all(|value| *value == 0));
        array.write(..).unwrap().fill(u64::MAX);
    }
    let home = Node::start().unwrap();
    for round in 0..10 {
        let array: Array<u64> = home.anonymous(ArrayOptions::new(100 * (round % 3 + 1)));
        place.run(&home, fills, array.clone());
        assert!(array.read(..).unwrap().iter().all(|value| *value == u64::MAX));
        array.close().unwrap();
    }
}

in_every_place!(new_arrays_are_zeros);

type Doubled = (Value<i32>, Value<f64>, Value<Point>, Array<f64>, Array<u8>);

fn what_is_plain_is_doubled_by_the_other_half(place: Place) {
    fn doubles(_: &Node, (int, float, point, array, text): Doubled) {
        int.update(|value| value * 2).unwrap();
        float.update(|value| value * 2.0).unwrap();
        {
            let mut point = point.lock().unwrap();
            point.x *= 2;
            point.y *= 2.0;
        }
        array.write(..).unwrap().iter_mut().for_each(|value| *value *= 2.0);
        let mut text = text.write(..).unwrap();
        text.copy_within(..5, 5);
    }
    let home = Node::start().unwrap();
    let doubled: Doubled = (
        home.anonymous(ValueOptions::new(7)),
        home.anonymous(ValueOptions::new(1.0 / 3.0)),
        home.anonymous(ValueOptions::new(Point { x: 3, y: 2.5 })),
        home.anonymous(ArrayOptions::with((0..10).map(f64::from).collect::<Vec<_>>())),
        home.anonymous(ArrayOptions::with(*b"hello.....")),
    );
    place.run(&home, doubles, doubled.clone());
    let (int, float, point, array, text) = doubled;
    assert_eq!((int.get(), float.get()), (Ok(14), Ok(2.0 / 3.0)));
    assert_eq!(point.get(), Ok(Point { x: 6, y: 5.0 }));
    assert!(array.read(..).unwrap().iter().zip((0..10).map(f64::from)).all(|(got, n)| *got == 2.0 * n));
    assert_eq!(*text.read(..).unwrap(), *b"hellohello");
}

in_every_place!(what_is_plain_is_doubled_by_the_other_half);
