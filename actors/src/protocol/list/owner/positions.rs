//! How an iteration finds its place again: the elements' positions, which stay as they are when elements come and go at the
//! ends, and a log of the shifts by those that came and went between others.
//!
//! An iteration keeps its place as a position and the number of shifts that it knows of. The later shifts move it as they
//! moved the elements, so what it has passed stays behind it and what it has not stays before it. Nothing is kept for an
//! iteration, and one that is never finished costs nothing.

use std::collections::VecDeque;

use super::super::wire::Cursor;

/// How many shifts are remembered: one of 16 bytes for each.
pub(super) const MAX_SHIFTS: usize = 16_384;

/// Positions begin in the middle, so that there is as much room before the first element as after it.
const FIRST: u64 = 1 << 63;

#[derive(Debug)]
struct Shift {
    at: u64,
    is_insert: bool,
}

#[derive(Debug)]
pub(super) struct Positions {
    /// That of the first element.
    first: u64,
    /// How often all was put into another order.
    epoch: u64,
    shifts: VecDeque<Shift>,
    /// How many are not remembered.
    forgotten: u64,
}

impl Default for Positions {
    fn default() -> Self {
        Self { first: FIRST, epoch: 0, shifts: VecDeque::new(), forgotten: 0 }
    }
}

impl Positions {
    /// An element comes to stand at index `at` of a list that has `len` before that.
    pub(super) fn inserted(&mut self, at: usize, len: usize) {
        if at == len {
            // Nothing moves.
        } else if at == 0 {
            self.first -= 1;
        } else {
            self.shift(at, true);
        }
    }

    /// The element at index `at` goes, which leaves `len`.
    pub(super) fn removed(&mut self, at: usize, len: usize) {
        if at == len {
            // Nothing moves.
        } else if at == 0 {
            self.first += 1;
        } else {
            self.shift(at, false);
        }
    }

    fn shift(&mut self, at: usize, is_insert: bool) {
        self.shifts.push_back(Shift { at: self.first + at as u64, is_insert });
        if self.shifts.len() > MAX_SHIFTS {
            self.shifts.pop_front();
            self.forgotten += 1;
        }
    }

    /// No element is where it was: no iteration finds its place again.
    pub(super) fn rearranged(&mut self) {
        self.epoch += 1;
        self.forgotten += self.shifts.len() as u64;
        self.shifts.clear();
    }

    /// The place of an iteration whose next element is at `index`.
    pub(super) fn cursor(&self, index: usize) -> Cursor {
        let shifts = self.forgotten + self.shifts.len() as u64;
        Cursor { epoch: self.epoch, position: self.first + index as u64, shifts }
    }

    /// The index of the element that comes next at `cursor`, or that would if there were so many; none if that can't be told.
    pub(super) fn index(&self, cursor: Option<Cursor>) -> Option<usize> {
        let Some(Cursor { epoch, mut position, shifts }) = cursor else { return Some(0) };
        if epoch != self.epoch {
            return None;
        }
        let known = usize::try_from(shifts.checked_sub(self.forgotten)?).ok()?;
        for shift in self.shifts.iter().skip(known) {
            if shift.at < position {
                position = if shift.is_insert { position.saturating_add(1) } else { position - 1 };
            }
        }
        usize::try_from(position.saturating_sub(self.first)).ok()
    }
}
