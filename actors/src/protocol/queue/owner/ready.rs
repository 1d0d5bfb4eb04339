//! The items that are there to be delivered, in the order in which they will be.

use std::collections::{BTreeMap, VecDeque, vec_deque};
use std::iter::Rev;
use std::vec;

use serde::{Deserialize, Serialize};

use super::item::Stored;

/// Which item is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The first that was put.
    #[default]
    Fifo,
    /// The last that was put.
    Lifo,
    /// That with the lowest number at its head (see [`priority_head`]); of several the first that was put.
    Priority,
}

/// How many bytes of an item are its priority, in a queue that goes by it.
pub(crate) const PRIORITY_BYTES: usize = 8;

/// A priority as it stands before an item: as bytes it compares like the number.
pub(crate) fn priority_head(priority: i64) -> [u8; PRIORITY_BYTES] {
    (priority as u64 ^ 1 << 63).to_be_bytes()
}

#[derive(Debug)]
pub(super) enum Ready {
    Fifo(VecDeque<Stored>),
    /// The next one last.
    Lifo(Vec<Stored>),
    Priority(ByPriority),
}

#[derive(Debug, Default)]
pub(super) struct ByPriority {
    items: BTreeMap<([u8; PRIORITY_BYTES], i64), Stored>,
    /// Items of one priority are numbered from here up as they are put, and from here down as they come back.
    put: i64,
    came_back: i64,
}

impl Ready {
    pub(super) fn new(order: Order) -> Self {
        match order {
            Order::Fifo => Ready::Fifo(VecDeque::new()),
            Order::Lifo => Ready::Lifo(Vec::new()),
            Order::Priority => Ready::Priority(ByPriority::default()),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Ready::Fifo(items) => items.len(),
            Ready::Lifo(items) => items.len(),
            Ready::Priority(by) => by.items.len(),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an item that was put.
    #[inline(always)]
    pub(super) fn put(&mut self, stored: Stored) {
        match self {
            Ready::Fifo(items) => items.push_back(stored),
            Ready::Lifo(items) => items.push(stored),
            Ready::Priority(by) => by.put(stored),
        }
    }

    /// Adds an item that came back: it is the next, of its priority if they have one.
    pub(super) fn put_back(&mut self, stored: Stored) {
        match self {
            Ready::Fifo(items) => items.push_front(stored),
            Ready::Lifo(items) => items.push(stored),
            Ready::Priority(by) => {
                by.came_back -= 1;
                by.items.insert((priority_of(&stored), by.came_back), stored);
            }
        }
    }

    /// Takes the next `count` items, of which there must be so many.
    pub(super) fn take(&mut self, count: usize) -> Taken<'_> {
        match self {
            Ready::Fifo(items) => Taken::Fifo(items.drain(..count)),
            Ready::Lifo(items) => Taken::Lifo(items.drain(items.len() - count..).rev()),
            Ready::Priority(by) => {
                let next: Vec<Stored> =
                    (0..count).filter_map(|_| by.items.pop_first().map(|(_, stored)| stored)).collect();
                Taken::Priority(next.into_iter())
            }
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = &Stored> + '_> {
        match self {
            Ready::Fifo(items) => Box::new(items.iter()),
            Ready::Lifo(items) => Box::new(items.iter().rev()),
            Ready::Priority(by) => Box::new(by.items.values()),
        }
    }
}

impl ByPriority {
    /// Apart, so that what the other orders do stays small enough to be part of a put.
    #[inline(never)]
    fn put(&mut self, stored: Stored) {
        self.put += 1;
        self.items.insert((priority_of(&stored), self.put), stored);
    }
}

/// An item too short to have one comes last.
fn priority_of(stored: &Stored) -> [u8; PRIORITY_BYTES] {
    stored.item.as_bytes().first_chunk().copied().unwrap_or([u8::MAX; PRIORITY_BYTES])
}

/// Items on their way out.
pub(super) enum Taken<'a> {
    Fifo(vec_deque::Drain<'a, Stored>),
    Lifo(Rev<vec::Drain<'a, Stored>>),
    Priority(vec::IntoIter<Stored>),
}

impl Iterator for Taken<'_> {
    type Item = Stored;

    fn next(&mut self) -> Option<Stored> {
        match self {
            Taken::Fifo(items) => items.next(),
            Taken::Lifo(items) => items.next(),
            Taken::Priority(items) => items.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Taken::Fifo(items) => items.size_hint(),
            Taken::Lifo(items) => items.size_hint(),
            Taken::Priority(items) => items.size_hint(),
        }
    }
}

impl ExactSizeIterator for Taken<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(ready: &mut Ready, count: usize) -> Vec<Vec<u8>> {
        ready.take(count).map(|stored| stored.item.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_last_comes_first_and_what_came_back_before_it() {
        let mut ready = Ready::new(Order::Lifo);
        (1..=4).for_each(|n| ready.put(Stored::new(&[n][..])));
        assert_eq!(next(&mut ready, 2), [[4], [3]]);
        // Given back in the order in which deliveries are undone: the latest first.
        ready.put_back(Stored::new(&[3][..]));
        ready.put_back(Stored::new(&[4][..]));
        assert_eq!(next(&mut ready, 4), [[4], [3], [2], [1]]);
        assert!(ready.is_empty());
    }

    #[test]
    fn the_lowest_priority_comes_first_and_of_one_priority_the_eldest() {
        let mut ready = Ready::new(Order::Priority);
        let item = |priority: i64, n: u8| [&priority_head(priority)[..], &[n]].concat();
        for (priority, n) in [(5, 1), (i64::MAX, 2), (-3, 3), (5, 4), (i64::MIN, 5), (0, 6)] {
            ready.put(Stored::new(&item(priority, n)[..]));
        }
        ready.put(Stored::new(&b"short"[..]));
        assert_eq!(next(&mut ready, 4), [item(i64::MIN, 5), item(-3, 3), item(0, 6), item(5, 1)]);
        ready.put_back(Stored::new(&item(5, 1)[..]));
        ready.put_back(Stored::new(&item(0, 6)[..]));
        let rest = next(&mut ready, 4);
        assert_eq!(rest, [item(0, 6), item(5, 1), item(5, 4), item(i64::MAX, 2)]);
        assert_eq!(next(&mut ready, 1), [b"short"]);
    }
}
