//! A served object's mailbox, asked anything by anybody: calls that are given up at any time, more of them than it takes, a worker that
//! takes and answers them when it likes, and one that can't be started.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use callboard_core::ByteStrings;

use super::{Answer, MAX_CALLS, Mailbox, Request, Waiting};
use crate::fuzzing::{Draw, encoded, node};
use crate::parcel::Parcel;
use crate::protocol::object::{Asker, Effects, Owner};

struct Play {
    waiting: Arc<Waiting>,
    owner: Mailbox,
    can_begin: bool,
    has_begun: bool,
    last: u64,
    /// Those without an answer.
    open: BTreeSet<Asker>,
    /// Calls that the worker has not taken, in their order.
    line: VecDeque<Asker>,
    in_hand: Option<Asker>,
}

impl Play {
    fn new(can_begin: bool) -> Self {
        let waiting = Arc::new(Waiting::default());
        let begin = move || if can_begin { Ok(()) } else { Err(std::io::Error::other("no thread")) };
        let owner = Mailbox::new(Arc::clone(&waiting), Box::new(begin));
        let (open, line) = (BTreeSet::new(), VecDeque::new());
        Self { waiting, owner, can_begin, has_begun: false, last: 0, open, line, in_hand: None }
    }

    fn asks(&mut self, request: Request) {
        self.last += 1;
        let asker = Asker(self.last);
        let mut effects = Effects::default();
        self.owner.handle(asker, request, Instant::now(), &mut effects);
        self.has_begun = true;
        let (may_wait, has_room) = (self.can_begin, self.line.len() < MAX_CALLS);
        match &effects.replies[..] {
            [] => {
                assert!(may_wait && has_room, "a call that nobody answers");
                self.open.insert(asker);
                self.line.push_back(asker);
            }
            [(to, answer)] => {
                assert_eq!(*to, asker, "an answer to somebody else");
                match answer {
                    Answer::Full => assert!(may_wait && !has_room, "there is room"),
                    Answer::Refused(_) => assert!(!may_wait, "a call that could be made"),
                    Answer::Returned(_) | Answer::Panicked(_) => panic!("nobody has run anything"),
                }
                encoded(answer);
            }
            answers => panic!("{} answers to one call", answers.len()),
        }
        self.has_no_other(&effects);
    }

    fn has_no_other(&self, effects: &Effects<Answer>) {
        assert!(effects.tick_at.is_none() && effects.tick_after.is_none());
        assert!(effects.frees.is_none() && !effects.is_over);
    }

    /// Somebody gives up, who waits or does not.
    fn leaves(&mut self, asker: Asker, has_died: bool) {
        let mut effects = Effects::default();
        match has_died {
            true => self.owner.lose(asker, &mut effects),
            false => self.owner.forget(asker, &mut effects),
        }
        assert!(effects.replies.is_empty(), "an answer to one who is gone");
        self.has_no_other(&effects);
        self.open.remove(&asker);
        self.line.retain(|waiting| *waiting != asker);
    }

    /// The worker is through with a call, and takes the next.
    fn works(&mut self) {
        if let Some(done) = self.in_hand.take() {
            self.open.remove(&done);
            encoded(&Answer::Returned(Parcel::default()));
        }
        // With none it would wait.
        if let Some(first) = self.line.pop_front() {
            self.in_hand = self.waiting.next().map(|(asker, _)| asker);
            assert_eq!(self.in_hand, Some(first), "calls are taken in their order");
        }
    }

    fn step(&mut self, draw: &mut Draw<'_>) {
        match draw.byte() {
            // Seldom: it takes its time.
            255 => {
                while self.can_begin && self.line.len() < MAX_CALLS {
                    let Some(request) = Draw::new(&[]).value() else { return };
                    self.asks(request);
                }
            }
            dice @ 192.. => {
                let one = self.open.iter().nth(draw.below(8)).copied();
                let asker = one.unwrap_or(Asker(draw.number()));
                self.leaves(asker, dice % 2 == 0);
            }
            128.. => self.works(),
            120.. => {
                let mut effects = Effects::default();
                self.owner.tick(Instant::now(), &mut effects);
                self.owner.node_ended(node(draw.below(4)), &mut effects);
                let casts = draw.strings();
                let cast = self.owner.casts(node(0), ByteStrings::new(&casts), Instant::now(), &mut effects);
                assert!(cast.is_err() && effects.replies.is_empty(), "it takes no casts");
                self.has_no_other(&effects);
            }
            _ => draw.value().into_iter().for_each(|request| self.asks(request)),
        }
    }

    fn check(&self) {
        let line = self.waiting.state.lock();
        assert!(line.calls.iter().map(|(asker, _)| asker).eq(&self.line), "the calls that wait");
        assert!(line.calls.len() <= MAX_CALLS, "more calls than there may be");
        assert_eq!(line.has_ended, self.has_begun && !self.can_begin, "whether there is a worker");
        assert!(self.line.iter().all(|asker| self.open.contains(asker)), "a call of one who is gone");
    }
}

pub(crate) fn fuzz(mut draw: Draw<'_>) {
    let mut play = Play::new(draw.byte() < 240);
    while !draw.is_over() {
        play.step(&mut draw);
        play.check();
    }
    while let Some(asker) = play.open.first().copied() {
        play.leaves(asker, draw.flag());
        play.check();
    }
    let Play { waiting, owner, .. } = play;
    drop(owner);
    assert!(waiting.next().is_none(), "the worker goes on without its object");
}
