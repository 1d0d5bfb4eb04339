//! The workers of a simulated pipeline: what each has in hand, and what is under way between it and the hub.

use std::collections::{BTreeMap, VecDeque};

use crate::pipeline::hub::{Place, World};
use crate::pipeline::wire::{ToHub, ToWorker};

pub(super) enum Up {
    Ready,
    Said(ToHub),
    /// The connection's end.
    Down,
}

pub(super) enum Down {
    Items(u64, Vec<Vec<u64>>),
    Told(ToWorker),
}

/// A worker's process.
#[derive(Default)]
pub(super) struct Hand {
    pub(super) is_alive: bool,
    pub(super) up: VecDeque<Up>,
    pub(super) down: VecDeque<Down>,
    /// The hub has heard that it is there.
    pub(super) is_known: bool,
    pub(super) inbox: VecDeque<Vec<u64>>,
    /// The words that tell how many items it has begun and finished.
    pub(super) begun: u64,
    pub(super) finished: u64,
    pub(super) in_hand: Vec<u64>,
    pub(super) settled: u64,
    pub(super) asked: u64,
    pub(super) flush: bool,
    pub(super) finish: bool,
    pub(super) outputs: Vec<Vec<u64>>,
    pub(super) failures: Vec<u64>,
}

impl Hand {
    pub(super) fn new() -> Self {
        Self { is_alive: true, up: VecDeque::from([Up::Ready]), ..Self::default() }
    }

    pub(super) fn said(&mut self, message: ToHub) {
        self.up.push_back(Up::Said(message));
    }
}

#[derive(Default)]
pub(super) struct Hands(pub(super) BTreeMap<Place, Hand>);

impl Hands {
    fn tell(&mut self, to: Place, down: Down) {
        let hand = self.0.get_mut(&to).expect("every place has its hand");
        // As the cell does: whoever has not been heard of, or is gone, has no slot.
        if hand.is_known && hand.is_alive {
            hand.down.push_back(down);
        }
    }
}

pub(super) fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks(8).map(|number| u64::from_le_bytes(number.try_into().expect("eight bytes"))).collect()
}

pub(super) fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

impl World for Hands {
    fn send<'a>(&mut self, to: Place, first: u64, items: impl Iterator<Item = &'a [u8]>) {
        self.tell(to, Down::Items(first, items.map(numbers).collect()));
    }

    fn flush(&mut self, worker: Place) {
        self.tell(worker, Down::Told(ToWorker::Flush));
    }

    fn finish(&mut self, worker: Place) {
        self.tell(worker, Down::Told(ToWorker::Finish));
    }
}
