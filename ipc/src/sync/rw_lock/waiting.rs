//! Waiting for such a lock, and leaving the line of those who wait. The rules are in `rw_lock.rs`.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::super::guard::Inside;
use super::super::lock::{NotTaken, Taken};
use super::super::{Caller, LOOK_AGAIN, time_to_sleep};
use super::words::{Entry, Wakes, Want, Words, add};

impl<'a> Words<'a> {
    /// So many more of this process wait, inside.
    fn count_waiting(&self, entry: &Entry, more: i32, want: Want) {
        let (mine, sum) = match want {
            Want::Write { .. } => (&entry.waiting_writers, &self.head.waiting_writers),
            Want::Read { .. } => (&entry.waiting_readers, &self.head.waiting_readers),
        };
        add(mine, more);
        add(sum, more);
    }

    #[cold]
    pub(super) fn wait_for(
        &self,
        me: Caller<'_>,
        entry: &Entry,
        want: Want,
        deadline: Option<Instant>,
        mut inside: Inside<'a>,
    ) -> Result<Taken, NotTaken> {
        let (turn, mut want) = match want {
            Want::Write { .. } => (&self.head.writers_turn, want),
            Want::Read { .. } => {
                (&self.head.readers_turn, Want::Read { since: Some(self.head.phase.load(Relaxed)) })
            }
        };
        loop {
            let Some(at_most) = time_to_sleep(deadline) else {
                // A reader may have waited for this writer alone.
                let wakes = self.who_may_go(false);
                self.leave(inside, me.holder(), wakes);
                return Err(NotTaken::TimedOut);
            };
            self.count_waiting(entry, 1, want);
            // Before this one leaves: what it folds in then, given back outside meanwhile, changes the turn.
            let seen = turn.load(SeqCst);
            self.leave(inside, me.holder(), Wakes::default());
            // Set before the turn changes (`nudge`): with a turn that has changed for it, it is seen here.
            if me.cut.is_set() {
                self.leave_from_outside(me, want);
                return Err(NotTaken::CutOff);
            }
            let slept_at = Instant::now();
            turn.sleep(seen, Some(at_most));
            let whole_look = slept_at.elapsed() >= LOOK_AGAIN;
            inside = match self.enter(me, deadline) {
                Ok(inside) => inside,
                Err(error) => {
                    self.leave_from_outside(me, want);
                    return Err(error);
                }
            };
            if entry.member.load(Relaxed) == me.member.number {
                self.count_waiting(entry, -1, want);
            }
            want = match want {
                Want::Write { .. } => Want::Write { in_turn: false },
                // Nobody came for so long, and nobody writes: the writer for whom this one waits was stopped.
                Want::Read { .. } if whole_look && self.head.writer.load(Relaxed) == 0 => {
                    Want::Read { since: Some(self.head.phase.load(Relaxed).wrapping_sub(1)) }
                }
                Want::Read { .. } => want,
            };
            let taken = self.take_inside(me, entry, want);
            if taken != Ok(None) {
                self.leave(inside, me.holder(), Wakes::default());
                return taken.map(|taken| taken.expect("none has been seen to"));
            }
        }
    }

    /// One gives up whom another keeps from coming in, who was stopped inside, or who is cut off. It must not count as waiting any more, as nobody may read while
    /// somebody waits to write; and who waited for it, or for the wake that it may have had, is woken by whoever folds that in.
    #[cold]
    fn leave_from_outside(&self, me: Caller<'_>, want: Want) {
        // If the owner has taken this process for dead it has cleared all away, and the entry may be another's.
        let Some(entry) = self.entry_of(me) else { return };
        let left = match want {
            Want::Write { .. } => &entry.left_writers,
            Want::Read { .. } => &entry.left_readers,
        };
        left.fetch_add(1, SeqCst);
        self.has_written_outside(me.holder());
    }

    /// Wakes all who sleep, for whatever reason.
    pub(super) fn wake_all(&self) {
        for turn in [&self.head.readers_turn, &self.head.writers_turn] {
            turn.add(1, SeqCst);
            turn.wake(u32::MAX);
        }
    }

    pub(in crate::sync) fn nudge(&self) {
        self.head.guard.nudge();
        self.wake_all();
    }
}
