//! One worker as the table meets it: what was sent to it, what it works on, what it has said.

use std::collections::VecDeque;

use crate::pool::crew::Progress;

/// A unit's number, which is what hears of it.
pub(super) type Unit = u64;

#[derive(Debug)]
pub(super) enum Order {
    Give(u64, Vec<(Unit, u64)>),
    Recall(u32),
    RecallOne(u64),
    Flush,
    Finish,
}

#[derive(Debug)]
pub(super) enum Word {
    Told(u64, u32, Vec<(Unit, u64)>),
    Recalled(Option<u64>, Vec<u64>),
    Flushed,
}

/// A unit's first number, its tasks, and how many of them have begun and returned.
pub(super) type AtWork = (u64, Vec<(Unit, u64)>, usize, usize);

#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) ready: bool,
    pub(super) orders: VecDeque<Order>,
    pub(super) inbox: VecDeque<(u64, Vec<(Unit, u64)>)>,
    /// The unit at work, and how many of its tasks have begun.
    pub(super) at_work: Option<AtWork>,
    /// Returned, and not told.
    pub(super) untold: Vec<(Unit, u64)>,
    pub(super) untold_at: u64,
    pub(super) words: VecDeque<Word>,
    pub(super) progress: Progress,
    pub(super) finish: bool,
    /// The chunk at work is to be given back, but for the task in hand: what was asked for.
    pub(super) cut: Option<Option<u64>>,
}

impl Fake {
    pub(super) fn is_at_chunk(&self) -> bool {
        self.at_work.as_ref().is_some_and(|(_, tasks, ..)| tasks.len() > 1)
    }

    /// Gives the rest of a chunk back, if that was asked for and no task of it is in hand.
    pub(super) fn cut_chunk(&mut self) -> bool {
        let Some((at, _, begun, returned)) = &self.at_work else { return false };
        let from = at + *begun as u64;
        if self.cut.is_none() || begun != returned || *begun == 0 {
            return false;
        }
        self.at_work = None;
        self.tell();
        let one = self.cut.take().flatten();
        self.words.push_back(Word::Recalled(one, vec![from]));
        true
    }

    /// Says what has returned.
    pub(super) fn tell(&mut self) {
        let tasks = std::mem::take(&mut self.untold);
        if !tasks.is_empty() {
            self.words.push_back(Word::Told(self.untold_at, tasks.len() as u32, tasks));
        }
    }
}
