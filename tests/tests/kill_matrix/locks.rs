//! Locks, semaphores and conditions, taken and given back as fast as they can be, so that a kill hits every instruction of that.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use callboard::{
    Condition, ConditionOptions, Lock, LockError, LockOptions, ReentrantLock, RwLock, RwLockOptions,
    Semaphore, SemaphoreOptions,
};
use callboard_tests::{PATIENCE, eventually};

use crate::notes::{Account, What};
use crate::subject::{Ended, Subject, Turn, or_ended};

/// How often something is taken before it is noted, if others look at each time.
const TIMES: u64 = 30;
/// And if they do not.
const FAST: u64 = 500;
const PERMITS: u32 = 2;
/// More than there are processes in a round.
const MOST: u64 = 8;

/// Who is inside, in a file that all processes of a round have: it outlives them.
pub(crate) struct Inside(pub(crate) File);

impl Inside {
    fn read(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        match self.0.read_at(&mut bytes, at * 8).unwrap() {
            8 => u64::from_le_bytes(bytes),
            _ => 0,
        }
    }

    fn write(&self, at: u64, value: u64) {
        self.0.write_at(&value.to_le_bytes(), at * 8).unwrap();
    }

    /// Nobody else is here, nor was when it died, unless this one was told so.
    fn alone(&self, who: u64, was_abandoned: bool) {
        let before = self.read(0);
        assert!(before == 0 || was_abandoned, "{before} is here or died here, and nobody was told");
        self.write(0, who);
        assert_eq!(self.read(0), who);
        self.write(0, 0);
    }

    /// Others may be here, but nobody who is alone.
    fn beside_others(&self, was_abandoned: bool) {
        let before = self.read(0);
        assert!(before == 0 || was_abandoned, "{before} is here or died here, and nobody was told");
        assert_eq!(self.read(0), before);
    }
}

fn told<T>(result: Result<T, LockError>) -> Result<T, Ended> {
    or_ended!(result, LockError::Disconnected)
}

macro_rules! lock {
    ($of:ty) => {
        impl Subject for $of {
            fn options() -> LockOptions {
                LockOptions::new()
            }

            fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
                if turn.random.below(2) == 0 {
                    for _ in 0..FAST {
                        let guard = told(self.lock())?;
                        // What is seen here another may have left, who died: it is left for the next to be told.
                        if guard.was_abandoned() {
                            turn.inside.alone(turn.who, true);
                        }
                    }
                } else {
                    for _ in 0..TIMES {
                        let guard = told(self.lock())?;
                        turn.inside.alone(turn.who, guard.was_abandoned());
                    }
                }
                turn.note(What::Saw, 0);
                Ok(())
            }

            fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
                if let Some(guard) = told(self.lock_timeout(PATIENCE))? {
                    turn.inside.alone(turn.who, guard.was_abandoned());
                }
                turn.note(What::Saw, 0);
                Ok(true)
            }

            /// Who looks with the lock in hand may be the next after a death, and the only one who is told.
            fn look(&self, turn: &Turn) -> Result<(), Ended> {
                let guard = told(self.lock())?;
                turn.inside.alone(turn.who, guard.was_abandoned());
                told(self.holder().map(drop))
            }

            fn release(&self) {}

            fn check(&self, _: &[Account]) {
                assert!(self.lock_timeout(PATIENCE).unwrap().is_some());
                assert_eq!(self.holder(), Ok(None));
            }
        }
    };
}

lock!(Lock);
lock!(ReentrantLock);

impl Subject for RwLock {
    fn options() -> RwLockOptions {
        RwLockOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        for _ in 0..TIMES {
            if turn.random.below(3) == 0 {
                let guard = told(self.write())?;
                turn.inside.alone(turn.who, guard.was_abandoned());
            } else {
                let guard = told(self.read())?;
                turn.inside.beside_others(guard.was_abandoned());
            }
            for _ in 0..turn.random.below(FAST) {
                drop(told(self.read())?);
            }
        }
        turn.note(What::Saw, 0);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        if let Some(guard) = told(self.write_timeout(PATIENCE))? {
            turn.inside.alone(turn.who, guard.was_abandoned());
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        let _guard = told(self.read())?;
        told(self.readers().map(drop))
    }

    fn release(&self) {}

    fn check(&self, _: &[Account]) {
        assert!(self.write_timeout(PATIENCE).unwrap().is_some());
        assert_eq!((self.writer(), self.readers()), (Ok(None), Ok(vec![])));
    }
}

impl Subject for Semaphore {
    fn options() -> SemaphoreOptions {
        SemaphoreOptions::bounded(PERMITS)
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        for _ in 0..TIMES {
            let _permit = told(self.acquire())?;
            turn.inside.write(turn.who, 1);
            drop(told(self.try_acquire())?);
            turn.inside.write(turn.who, 0);
        }
        for _ in 0..turn.random.below(FAST) {
            drop(told(self.acquire_many(1 + turn.random.below(PERMITS.into()) as u32))?);
        }
        turn.note(What::Saw, 0);
        Ok(())
    }

    /// With all permits in hand whoever else is here has died.
    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        if let Some(_all) = told(self.acquire_many_timeout(PERMITS, PATIENCE))? {
            let others = (1..MOST).filter(|who| *who != turn.who && turn.inside.read(*who) != 0);
            others.for_each(|who| turn.note(What::Took, who));
        }
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, _: &Turn) -> Result<(), Ended> {
        let _permit = told(self.acquire())?;
        told(self.holders().map(drop))
    }

    fn release(&self) {}

    fn check(&self, accounts: &[Account]) {
        for who in accounts.iter().flat_map(|account| account.all(What::Took)) {
            assert!(accounts[who as usize - 1].was_killed, "{who} was inside, and another had all permits");
        }
        eventually("all permits are back", || self.available() == Ok(PERMITS));
        assert_eq!(self.holders(), Ok(vec![]));
        let all = self.acquire_many_timeout(PERMITS, PATIENCE).unwrap();
        assert!(all.is_some() && self.try_acquire().unwrap().is_none());
    }
}

impl Subject for Condition {
    fn options() -> ConditionOptions {
        ConditionOptions::new()
    }

    fn act(&self, turn: &mut Turn) -> Result<(), Ended> {
        for _ in 0..TIMES {
            let mut guard = told(self.lock())?;
            turn.inside.alone(turn.who, guard.was_abandoned());
            match turn.random.below(6) {
                0 => told(guard.notify_all().map(drop))?,
                1 => told(guard.notify(2).map(drop))?,
                2 => {
                    told(guard.wait_timeout(Duration::from_micros(turn.random.below(100))).map(drop))?;
                    turn.inside.alone(turn.who, guard.was_abandoned());
                }
                _ => told(guard.notify_one().map(drop))?,
            }
        }
        turn.note(What::Saw, 0);
        Ok(())
    }

    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended> {
        let mut guard = told(self.lock())?;
        turn.inside.alone(turn.who, guard.was_abandoned());
        told(guard.wait())?;
        turn.inside.alone(turn.who, guard.was_abandoned());
        turn.note(What::Saw, 0);
        Ok(true)
    }

    fn look(&self, turn: &Turn) -> Result<(), Ended> {
        let guard = told(self.lock())?;
        turn.inside.alone(turn.who, guard.was_abandoned());
        told(self.holder().map(drop))
    }

    fn release(&self) {
        self.lock_timeout(PATIENCE).unwrap().unwrap().notify_all().unwrap();
    }

    fn check(&self, _: &[Account]) {
        eventually("nobody waits", || self.waiters() == Ok(0));
        let mut guard = self.lock_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(guard.wait_timeout(Duration::from_millis(1)), Ok(false));
        drop(guard);
        assert_eq!(self.holder(), Ok(None));
    }
}
