//! Taking and giving back, and how those who wait are woken. The rules are in `semaphore.rs`.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use super::super::{Caller, NotTaken, time_to_sleep};
use super::state::{Change, Number};
use super::words::{Head, Unchanged, Words, change_at_once};

/// How often the state is looked at before sleeping: less than a system call takes.
const LOOKS: u32 = if cfg!(all(test, loom)) { 0 } else { 60 };

/// As the tenant, if this process is it: whether there were so many.
#[inline]
pub(super) fn take_at_once(head: &Head, me: Number, count: u32) -> Option<bool> {
    change_at_once(head, me, Change::Take(count)).map(|done| done.is_ok())
}

/// As the tenant, if this process is it. Whether anybody waits is for the caller to look after.
#[inline]
pub(super) fn give_back_at_once(head: &Head, me: Number, count: u32) -> Option<bool> {
    let done = change_at_once(head, me, Change::GiveBack(count))?; // G1
    Some(done.is_ok_and(|before| before.has_waiters()))
}

impl Words<'_> {
    /// Takes so many if they are free. Zero are always free.
    pub(in crate::sync) fn try_take(&self, me: Caller<'_>, count: u32) -> Result<bool, NotTaken> {
        if count == 0 {
            return Ok(true);
        }
        let number = Number::of_entry(me.member.entry).ok_or(NotTaken::CutOff)?;
        if let Some(taken) = take_at_once(self.head, number, count) {
            return Ok(taken);
        }
        match self.change_as_next(me, number, Change::Take(count)) {
            Ok(_) => Ok(true),
            Err(Unchanged::TooFew | Unchanged::TooMany) => Ok(false),
            Err(Unchanged::CutOff) => Err(NotTaken::CutOff),
        }
    }

    pub(in crate::sync) fn take(
        &self,
        me: Caller<'_>,
        count: u32,
        deadline: Option<Instant>,
    ) -> Result<(), NotTaken> {
        // Whoever is cut off may have been woken in another's place.
        let try_take = || self.try_take(me, count).inspect_err(|_| self.wake_all());
        loop {
            if try_take()? || self.comes_soon(count) && try_take()? {
                return Ok(());
            }
            // None was free, so whoever was woken and gives up here keeps none from another.
            let Some(at_most) = time_to_sleep(deadline) else { return Err(NotTaken::TimedOut) };
            let seen = self.head.turn.load(SeqCst); // T1
            if !self.say_waiting(count) {
                continue;
            }
            // Set before the turn changes (`nudge`): with a turn that has changed for it, it is seen here.
            if me.cut.is_set() {
                self.wake_all();
                return Err(NotTaken::CutOff);
            }
            self.head.turn.sleep(seen, Some(at_most)); // T3
        }
    }

    fn comes_soon(&self, count: u32) -> bool {
        (0..LOOKS).any(|_| {
            std::hint::spin_loop();
            self.head.state().free() >= count
        })
    }

    /// T2. False if there are so many now.
    pub(super) fn say_waiting(&self, count: u32) -> bool {
        let mut seen = self.head.state();
        while seen.free() < count {
            let said = seen.with_waiter(count);
            if said == seen {
                return true;
            }
            match self.head.exchange(seen, said) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Gives back `count` that this process holds, or uses them up for good.
    pub(in crate::sync) fn give_back(&self, me: Caller<'_>, count: u32, for_good: bool) {
        let Some(number) = Number::of_entry(me.member.entry) else { return };
        let change = if for_good { Change::UseUp(count) } else { Change::GiveBack(count) };
        let done = match change_at_once(self.head, number, change) {
            Some(done) => done,
            // What is not held, as the owner took it back, can't be given back.
            None => self.change_as_next(me, number, change), // G1
        };
        if !for_good && done.is_ok_and(|before| before.has_waiters()) {
            self.wake(count);
        }
    }

    /// For `count` permits more.
    #[cold]
    pub(super) fn wake(&self, count: u32) {
        let turn = &self.head.turn;
        if !self.head.state().wants_many() {
            turn.add(1, SeqCst); // G2
            // G3. If fewer slept than might have had one, nobody does any more.
            if turn.wake_counted(count) >= count {
                return;
            }
        }
        self.wake_all();
    }

    /// Nobody counts as waiting any more, so all are woken who did.
    pub(super) fn wake_all(&self) {
        let mut seen = self.head.state();
        while seen.has_waiters() {
            match self.head.exchange(seen, seen.without_waiters()) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        self.head.turn.add(1, SeqCst);
        self.head.turn.wake(u32::MAX);
    }

    pub(in crate::sync) fn nudge(&self) {
        self.wake_all();
    }
}
