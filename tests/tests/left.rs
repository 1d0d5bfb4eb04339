//! Nodes that end, or lose their connection, while a thread of their process still has something of another's shared memory in hand.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use callboard::{
    Array, ArrayError, ArrayOptions, Condition, ConditionOptions, Event, EventOptions, Lock, LockError,
    LockOptions, NameError, Node, Process, Queue, QueueOptions, ReentrantLock, RwLock, RwLockOptions,
    Semaphore, SemaphoreOptions, Value, ValueOptions,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds};
use serde::{Deserialize, Serialize};

callboard::test_door!();

const SOON: Duration = Duration::from_millis(5);
const WITHIN: Duration = Duration::from_secs(20);

fn marker(node: &Node, name: &str) {
    let _queue: Queue<u8> = node.create(name, QueueOptions::new()).unwrap();
}

/// A name is free when the root has done all that follows from the end of the node that had it: then its locks would be free too.
fn has_been_told(node: &Node, name: &str) {
    eventually("the root knows of the end", || {
        matches!(node.open::<Queue<u8>>(name), Err(NameError::NotFound(_)))
    });
}

/// Takes something at a node that then ends, and looks at what the owner's node gets.
macro_rules! outlives {
    ($node:ident, $of:ty, $options:expr, |$held:ident| $take:expr, |$lock:ident, $within:ident| $tries:expr) => {{
        fn owner_takes($lock: &$of, $within: Duration) -> Option<bool> {
            $tries.unwrap().map(|guard| guard.was_abandoned())
        }
        let beside = $node.start_beside("beside").unwrap();
        let name = format!("/{}", callboard::testing::Random::new().below(u64::MAX));
        let ours: $of = $node.create(&name, $options).unwrap();
        let theirs: $of = beside.open(&name).unwrap();
        marker(&beside, "/marker");
        let $held = &theirs;
        let guard = $take;
        assert_eq!(owner_takes(&ours, SOON), None);
        drop(beside);
        has_been_told(&$node, "/marker");
        assert_eq!(owner_takes(&ours, SOON), None, "{}: taken for dead", stringify!($take));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| owner_takes(&ours, WITHIN));
            pause(SOON);
            drop(guard);
            assert_eq!(waits.join().unwrap(), Some(false), "it was given back, not abandoned");
        });
        // As a member it has gone for good, so nothing of it is left that could be abandoned.
        drop(theirs);
        assert_eq!(owner_takes(&ours, WITHIN), Some(false));
    }};
}

/// > A permit that is dropped after its node has left gives back none that is another's by then.
#[test]
fn a_permit_of_a_node_that_has_left_takes_none_from_others() {
    let node = Node::start().unwrap();
    let permits: Semaphore = node.create("/permits", SemaphoreOptions::bounded(1)).unwrap();
    for is_used_up in [false, true] {
        let left = node.start_beside("left").unwrap();
        let late: Semaphore = left.open("/permits").unwrap();
        let late_permit = late.acquire().unwrap();
        marker(&left, "/marker");
        drop(left);
        has_been_told(&node, "/marker");
        let next = node.start_beside("next").unwrap();
        let theirs: Semaphore = next.open("/permits").unwrap();
        let permit = theirs.acquire_timeout(WITHIN).unwrap().expect("it came back with the end of the node");
        if is_used_up {
            late_permit.use_up();
        } else {
            drop(late_permit);
        }
        assert!(permits.try_acquire().unwrap().is_none(), "it is the next one's");
        drop(permit);
        assert!(permits.try_acquire().unwrap().is_some());
        drop((theirs, next));
    }
}

/// > A guard that outlives its node is good until it is dropped: nobody else gets the lock before, and nobody is told that its holder died.
#[test]
fn a_guard_that_outlives_its_node_shuts_others_out_until_it_is_dropped() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    outlives!(node, Lock, LockOptions::new(), |lock| lock.lock().unwrap(), |lock, within| lock
        .lock_timeout(within));
    outlives!(
        node,
        ReentrantLock,
        LockOptions::new(),
        |lock| (lock.lock().unwrap(), lock.lock().unwrap()),
        |lock, within| lock.lock_timeout(within)
    );
    outlives!(node, RwLock, RwLockOptions::new(), |lock| lock.write().unwrap(), |lock, within| lock
        .read_timeout(within));
    outlives!(node, RwLock, RwLockOptions::new(), |lock| lock.read().unwrap(), |lock, within| lock
        .write_timeout(within));
    outlives!(node, Condition, ConditionOptions::new(), |lock| lock.lock().unwrap(), |lock, within| lock
        .lock_timeout(within));
    let value = || ValueOptions::new([1; 9]);
    outlives!(node, Value<[u64; 9]>, value(), |value| value.lock().unwrap(), |value, within| value
        .lock_timeout(within));
    let array = || ArrayOptions::new(30).stripes(3);
    outlives!(node, Array<u64>, array(), |array| array.write(5..).unwrap(), |array, within| array
        .read_timeout(.., within));
    outlives!(
        node,
        Array<u64>,
        array(),
        |array| (array.read(..10).unwrap(), array.read(25..).unwrap()),
        |array, within| array.write_timeout(.., within)
    );
}

/// > A node that ends waits for no guard: its threads that wait are told at once, and a guard that is never dropped holds its lock as long as there is a handle.
#[test]
fn a_node_that_ends_waits_for_no_guard() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let beside = node.start_beside("beside").unwrap();
    let (id, pid) = (beside.id(), std::process::id());
    let lock: Lock = node.create("/lock", LockOptions::new()).unwrap();
    let array: Array<u64> = node.create("/array", ArrayOptions::new(2).stripes(2)).unwrap();
    let (their_lock, their_array): (Lock, Array<u64>) =
        (beside.open("/lock").unwrap(), beside.open("/array").unwrap());
    marker(&beside, "/marker");
    std::mem::forget((their_lock.lock().unwrap(), their_array.write(..1).unwrap()));
    std::thread::scope(|scope| {
        let waits = [
            scope.spawn(|| their_lock.lock().map(drop).map_err(ArrayError::Lock)),
            scope.spawn(|| their_array.read(..).map(drop)),
        ];
        pause(SOON);
        drop(beside);
        for wait in waits {
            assert_eq!(wait.join().unwrap(), Err(ArrayError::Lock(LockError::Disconnected)));
        }
    });
    has_been_told(&node, "/marker");
    let holder = lock.holder().unwrap().unwrap();
    assert_eq!((holder.node, holder.pid), (id, pid));
    assert!(lock.try_lock().unwrap().is_none() && array.try_read(..1).unwrap().is_none());
    assert!(array.try_write(1..).unwrap().is_some(), "who waited there holds nothing");
    drop((their_lock, their_array));
    assert!(lock.lock_timeout(WITHIN).unwrap().unwrap().was_abandoned());
    assert!(array.write_timeout(.., WITHIN).unwrap().unwrap().was_abandoned());
}

#[test]
fn who_waits_at_a_condition_when_its_node_ends_takes_no_notification_along() {
    let node = Node::start().unwrap();
    let beside = node.start_beside("beside").unwrap();
    let condition: Condition = node.create("/condition", ConditionOptions::new()).unwrap();
    let theirs: Condition = beside.open("/condition").unwrap();
    let lock: Lock = node.create("/lock", LockOptions::new()).unwrap();
    let their_lock: Lock = beside.open("/lock").unwrap();
    let _kept = their_lock.lock().unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| theirs.lock().unwrap().wait());
        eventually("it waits", || condition.waiters() == Ok(1));
        drop(beside);
        assert_eq!(first.join().unwrap(), Err(LockError::Disconnected));
        assert_eq!(condition.waiters(), Ok(0), "it has given its place up itself");
        let second = scope.spawn(|| condition.lock().unwrap().wait_timeout(WITHIN));
        eventually("another waits", || condition.waiters() == Ok(1));
        assert_eq!(condition.lock().unwrap().notify_one(), Ok(1));
        assert_eq!(second.join().unwrap(), Ok(true));
    });
    assert!(lock.try_lock().unwrap().is_none());
}

/// What becomes of a guest that has a part of the array in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Leaves,
    /// Says something on its connection that its owner refuses.
    Spoils,
}

fn sockets() -> Vec<i32> {
    let all = std::fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    let is_socket = |path: &std::path::Path| {
        std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    all.filter(|entry| is_socket(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Says nonsense to whoever has been met since.
fn spoil(before: &[i32]) {
    let new: Vec<i32> = sockets().into_iter().filter(|socket| !before.contains(socket)).collect();
    assert!(!new.is_empty());
    for socket in new {
        // SAFETY: a connection of a node that is there until its guest is dropped.
        let socket = unsafe { BorrowedFd::borrow_raw(socket) };
        rustix::net::send(socket, &[0xff; 64], rustix::net::SendFlags::NOSIGNAL).unwrap();
    }
}

fn visits(_: &Node, (job, end, told, goes_on): (String, End, Queue<u32>, Event)) {
    let before = sockets();
    let guest = Node::join(&job).unwrap();
    let array: Array<u64> = guest.open("/array").unwrap();
    marker(&guest, "/marker");
    let mut part = array.write(..).unwrap();
    part.fill(7);
    let _kept = match end {
        End::Leaves => {
            drop(guest);
            None
        }
        End::Spoils => {
            spoil(&before);
            Some(guest)
        }
    };
    told.put_confirmed(1).unwrap();
    goes_on.wait().unwrap();
    part.fill(8);
    drop(part);
    told.put_confirmed(2).unwrap();
    loop {
        std::thread::park();
    }
}

fn visitor(node: &Node, end: End) -> (Process<()>, Queue<u32>, Event) {
    let (told, goes_on): (Queue<u32>, Event) =
        (node.anonymous(QueueOptions::new()), node.anonymous(EventOptions::new()));
    let visitor = node.process("visitor").stderr_null();
    let visitor = visitor.spawn(visits, (node.job(), end, told.clone(), goes_on.clone())).unwrap();
    assert_eq!(told.get(), Ok(1));
    has_been_told(node, "/marker");
    (visitor, told, goes_on)
}

/// > So it is in another process, and where a connection breaks by a fault; a process that is killed with such a guard is told of as ever.
#[test]
fn a_guest_that_leaves_or_is_shut_out_keeps_what_it_has_in_hand_until_it_dies() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let array: Array<u64> = node.create("/array", ArrayOptions::new(30).stripes(3)).unwrap();
    for end in [End::Leaves, End::Spoils] {
        let (visitor, told, goes_on) = visitor(&node, end);
        assert!(array.read_timeout(29.., SOON).unwrap().is_none(), "{end:?}");
        goes_on.set().unwrap();
        assert_eq!(told.get(), Ok(2));
        let part = array.write_timeout(.., WITHIN).unwrap().unwrap();
        assert!(!part.was_abandoned() && part.iter().all(|element| *element == 8));
        drop(part);
        visitor.kill().unwrap();
        assert!(visitor.join().is_err());
    }
    for end in [End::Leaves, End::Spoils] {
        let (visitor, _told, _goes_on) = self::visitor(&node, end);
        assert!(array.try_write(..1).unwrap().is_none());
        visitor.kill().unwrap();
        let part = array.write_timeout(.., WITHIN).unwrap().unwrap();
        assert!(part.was_abandoned() && part.iter().all(|element| *element == 7), "{end:?}");
        drop(part);
        assert!(visitor.join().is_err());
    }
}

/// > Nor does it matter on whose side the fault is.
#[test]
fn an_owner_that_says_nonsense_does_not_take_a_living_holder_for_dead() {
    fn owns(node: &Node, (told, goes_on): (Queue<Array<u64>>, Event)) {
        let array: Array<u64> = node.anonymous(ArrayOptions::new(10));
        // Meets its parent, if that was not so yet.
        told.put_confirmed(array.clone()).unwrap();
        let before = sockets();
        told.put_confirmed(array.clone()).unwrap();
        goes_on.wait().unwrap();
        spoil(&before);
        while !node.wait_stopping(PATIENCE) {}
    }
    fn writes(_: &Node, (array, told, goes_on): (Array<u64>, Queue<u32>, Event)) {
        let mut part = array.write(..).unwrap();
        part.fill(7);
        told.put_confirmed(1).unwrap();
        let other = array.clone();
        eventually("it is cut off", || {
            matches!(other.try_read(..), Err(ArrayError::Lock(LockError::Disconnected)))
        });
        told.put_confirmed(2).unwrap();
        goes_on.wait().unwrap();
        part.fill(8);
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let told: Queue<Array<u64>> = node.anonymous(QueueOptions::new());
    let [spoils, goes_on]: [Event; 2] = [0, 1].map(|_| node.anonymous(EventOptions::new()));
    let owner = node.spawn("owns", owns, (told.clone(), spoils.clone())).unwrap();
    assert!(told.get().is_ok());
    let array = told.get().unwrap();
    assert_eq!(array.len(), Ok(10));
    let told: Queue<u32> = node.anonymous(QueueOptions::new());
    let writer = node.process("writes").stderr_null();
    let writer = writer.spawn(writes, (array.clone(), told.clone(), goes_on.clone())).unwrap();
    assert_eq!(told.get(), Ok(1));
    spoils.set().unwrap();
    assert_eq!(told.get(), Ok(2));
    // The owner has seen the other side's end by now or sees it soon; looked at for some time, as nothing tells of that.
    for _ in 0..20 {
        assert!(array.read_timeout(.., SOON).unwrap().is_none());
    }
    goes_on.set().unwrap();
    writer.join().unwrap();
    let part = array.read_timeout(.., WITHIN).unwrap().unwrap();
    assert!(!part.was_abandoned() && part.iter().all(|element| *element == 8));
    drop(part);
    owner.terminate(PATIENCE);
    owner.join().unwrap();
}

/// > Nodes that come and go while their threads write leave no element half written for others.
#[test]
fn nobody_sees_half_a_change_of_a_node_that_ends_while_its_threads_write() {
    fn goes(array: &Array<u64>, who: u64) -> Result<(), ArrayError> {
        let mut part = array.write(..)?;
        let first = part[0];
        assert!(part.iter().all(|element| *element == first), "{who} sees half a change");
        for element in part.iter_mut() {
            // SAFETY: a reference to an element, which lies in memory that others have mapped too: not to be taken together.
            unsafe { std::ptr::write_volatile(element, first + 1) };
        }
        Ok(())
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let array: Array<u64> = node.create("/array", ArrayOptions::new(1_000)).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                goes(&array, 0).unwrap();
            }
        });
        for _ in 0..rounds(30) {
            let beside = node.start_beside("beside").unwrap();
            let theirs: Array<u64> = beside.open("/array").unwrap();
            let threads: Vec<_> = (1..=2)
                .map(|who| {
                    let theirs = theirs.clone();
                    scope.spawn(move || while goes(&theirs, who).is_ok() {})
                })
                .collect();
            pause(random.time(Duration::from_millis(3)));
            drop(beside);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
        is_over.store(true, Relaxed);
    });
}
