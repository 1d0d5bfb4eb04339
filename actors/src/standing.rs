//! The waits that stand on a node: what each thread that sleeps waits for, and since when.
//!
//! A thread notes a wait when it is about to sleep, in a place of its own: a lock that nobody else takes unless somebody looks, and
//! two reads of the clock at most. A wait that ends before it sleeps is noted nowhere, but for what is in shared memory: a lock or
//! semaphore that is not free is noted before it is looked at for its microsecond: with the looks first contended locks were measured to be slower
//! by a third. What is noted is numbers and words that are there anyway ([`Sought`]); it is put into words by whoever asks ([`words`]): a
//! user, by [`Node::waits`], or the thread that writes lines to standard error ([`teller`]).
//!
//! # Why no long wait is overlooked
//!
//! The teller sleeps until the first wait that stands would have lasted too long, and no longer than that time; a wait that
//! begins meanwhile is due later. Only when none stands it sleeps without end, and says so first (`nobody_waits`), then looks once more.
//! A thread notes its wait and then looks at that word, unless it has nothing to do, of which no line is written. Both notes are under the lock of the
//! thread's place: if the teller's last look came before the note, the thread sees the word and wakes it; if it came after, the teller sees the note. One that
//! has been woken sleeps for that time before it looks, since nothing can be due earlier: so threads that wait often and briefly wake it once in that time.
//!
//! A wait goes on when its thread is woken for nothing and sleeps again. If the teller looks in between it may tell of it so much later, and no more.

mod node;
mod parties;
mod sought;
mod teller;
mod words;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

pub(crate) use self::node::as_the_environment_says;
use self::parties::Names;
pub(crate) use self::parties::{Awaited, Known};
pub(crate) use self::sought::Sought;
pub(crate) use self::teller::Teller;
pub use self::words::{WaitInfo, WaitParty, WaitRole};
use crate::wait::Waiter;

/// How many are named on whom a wait depends, and of a set that is waited for how many members; of more of these it is said how many.
pub(crate) const MAX_NAMED: usize = 8;

/// One wait, as its thread noted it.
#[derive(Clone, Debug)]
struct Noted {
    /// No other of this thread has the same.
    number: u64,
    since: Instant,
    /// How many lines have been written of it.
    told: u32,
    sought: Sought,
    /// Of a set: some of its members.
    members: Vec<Sought>,
}

/// Where one thread notes its waits on one node: mostly none or one.
#[derive(Debug)]
struct Place {
    thread: String,
    noted: Mutex<Vec<Noted>>,
}

/// The waits of a node.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    places: Mutex<Vec<Weak<Place>>>,
    /// The teller sleeps since nothing stands, and is to be woken by who waits next.
    nobody_waits: AtomicBool,
    pub(crate) teller: Teller,
    pub(crate) names: Names,
}

thread_local! {
    /// This thread's places, by node.
    static PLACES: RefCell<Vec<(Weak<Standing>, Arc<Place>)>> = const { RefCell::new(Vec::new()) };
}

impl Standing {
    /// Notes that this thread is about to sleep, until what is returned is dropped. `waiter`, if there is one, knows since when.
    pub(crate) fn note<'a>(
        self: &Arc<Self>,
        waiter: Option<&'a Waiter>,
        sought: Sought,
        members: Vec<Sought>,
    ) -> Stands<'a> {
        let (since, told) = waiter.map_or_else(|| (Instant::now(), 0), Waiter::stood);
        // A thread that is at its end has no place any more.
        let place = PLACES.try_with(|places| self.place(&mut places.borrow_mut())).ok();
        let mut number = 0;
        if let Some(place) = &place {
            let mut noted = place.noted.lock();
            number = noted.last().map_or(0, |last| last.number + 1);
            noted.push(Noted { number, since, told, sought, members });
        }
        if !sought.is_idle
            && self.nobody_waits.load(Ordering::SeqCst)
            && self.nobody_waits.swap(false, Ordering::SeqCst)
        {
            self.teller.wake();
        }
        Stands { place, number, waiter }
    }

    fn place(self: &Arc<Self>, places: &mut Vec<(Weak<Self>, Arc<Place>)>) -> Arc<Place> {
        let known = places.iter().find(|(of, _)| std::ptr::eq(of.as_ptr(), Arc::as_ptr(self)));
        if let Some((_, place)) = known {
            return Arc::clone(place);
        }
        // Those of nodes that have ended.
        places.retain(|(of, _)| of.strong_count() > 0);
        let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
        let place = Arc::new(Place { thread, noted: Mutex::default() });
        let mut all = self.places.lock();
        all.retain(|place| place.strong_count() > 0);
        all.push(Arc::downgrade(&place));
        places.push((Arc::downgrade(self), Arc::clone(&place)));
        place
    }

    fn all(&self) -> Vec<Arc<Place>> {
        self.places.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// All waits that stand, the longest first, each with its thread's name.
    fn look(&self) -> Vec<(String, Noted)> {
        let all = self.all();
        let noted = |place: &Arc<Place>| {
            let noted = place.noted.lock().clone();
            noted.into_iter().map(|noted| (place.thread.clone(), noted)).collect::<Vec<_>>()
        };
        // What the teller waits for itself is nobody's business.
        let others = all.iter().filter(|place| place.thread != teller::THREAD);
        let mut waits: Vec<_> = others.flat_map(noted).collect();
        waits.sort_by_key(|(_, noted)| noted.since);
        waits
    }
}

/// A wait that has been noted.
pub(crate) struct Stands<'a> {
    place: Option<Arc<Place>>,
    number: u64,
    waiter: Option<&'a Waiter>,
}

impl Drop for Stands<'_> {
    fn drop(&mut self) {
        let Some(place) = &self.place else { return };
        let mut noted = place.noted.lock();
        // The last one, as a rule: waits end in the opposite order.
        let at = noted.iter().rposition(|noted| noted.number == self.number);
        let Some(ended) = at.map(|at| noted.remove(at)) else { return };
        drop(noted);
        if let (Some(waiter), true) = (self.waiter, ended.told > 0) {
            waiter.was_told(ended.told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wait_that_may_be_told_of_wakes_the_teller() {
        let standing = Arc::<Standing>::default();
        standing.nobody_waits.store(true, Ordering::SeqCst);
        drop(standing.note(None, Sought::plain("something to do").idle(), Vec::new()));
        assert!(standing.nobody_waits.load(Ordering::SeqCst));
        drop(standing.note(None, Sought::plain("an answer"), Vec::new()));
        assert!(!standing.nobody_waits.load(Ordering::SeqCst));
    }
}
