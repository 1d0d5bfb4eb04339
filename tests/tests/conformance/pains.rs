//! Experiments at which other systems of this kind hang, lose or garble something. CONFORMANCE.md has the list.

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use callboard::{Event, EventOptions, Manager, Node, PipeReceiver, Queue, QueueOptions};
use callboard_tests::{PATIENCE, eventually, is_running, pause, send_signal, stop_state};
use serde_bytes::ByteBuf;

use crate::place::Place;

fn queue<T>(node: &Node) -> Queue<T> {
    node.anonymous(QueueOptions::new())
}

#[test]
fn a_getter_killed_while_it_waits_keeps_nothing_from_the_next() {
    fn gets(_: &Node, (items, told): (Queue<u64>, Queue<u64>)) -> u64 {
        told.put_confirmed(1).unwrap();
        items.get().unwrap()
    }
    let home = Node::start().unwrap();
    let (items, told): (Queue<u64>, Queue<u64>) = (queue(&home), queue(&home));
    let spawn = || {
        let getter = home.process("gets").stderr_null();
        getter.spawn(gets, (items.clone(), told.clone())).unwrap()
    };
    let (victim, next) = (spawn(), spawn());
    (0..2).for_each(|_| assert_eq!(told.get(), Ok(1)));
    send_signal(victim.pid(), 9);
    assert!(victim.join().is_err());
    items.put(5).unwrap();
    assert_eq!(next.join_timeout(PATIENCE).unwrap(), 5);
}

#[test]
fn a_producer_killed_in_a_large_put_leaves_a_whole_item_or_none() {
    const BYTES: usize = 50_000_000;
    fn puts(_: &Node, (items, told): (Queue<ByteBuf>, Queue<u64>)) {
        let item = ByteBuf::from(vec![7; BYTES]);
        told.put_confirmed(1).unwrap();
        items.put(item).unwrap();
    }
    let home = Node::start().unwrap();
    for delay in [0, 3, 9, 20] {
        let (items, told): (Queue<ByteBuf>, Queue<u64>) = (queue(&home), queue(&home));
        let victim = home.process("puts").stderr_null().spawn(puts, (items.clone(), told.clone())).unwrap();
        assert_eq!(told.get(), Ok(1));
        pause(Duration::from_millis(delay));
        send_signal(victim.pid(), 9);
        let _ = victim.join();
        let whole = items.len().unwrap();
        let next = home.spawn("puts", puts, (items.clone(), told)).unwrap();
        for _ in 0..=whole {
            let item = items.get_timeout(PATIENCE).unwrap();
            assert!(item.len() == BYTES && item.iter().all(|byte| *byte == 7));
        }
        next.join().unwrap();
        assert!(items.is_empty().unwrap());
    }
}

#[test]
fn a_child_that_put_a_megabyte_is_joined_before_anybody_gets() {
    fn puts(_: &Node, items: Queue<ByteBuf>) {
        items.put_many((0..16).map(|n| ByteBuf::from(vec![n; 65_536]))).unwrap();
    }
    let home = Node::start().unwrap();
    let items = queue(&home);
    home.spawn("puts", puts, items.clone()).unwrap().join_timeout(PATIENCE).unwrap();
    assert_eq!(items.len(), Ok(16));
    (0..16).for_each(|n| assert_eq!(items.get().unwrap(), vec![n; 65_536]));
}

fn what_was_put_is_found_at_once(place: Place) {
    fn puts_and_gets(_: &Node, items: Queue<u64>) {
        for n in 0..200 {
            items.put(n).unwrap();
            assert_eq!(items.try_get(), Ok(n));
        }
        items.put_confirmed(200).unwrap();
    }
    let home = Node::start().unwrap();
    let items = queue(&home);
    place.run(&home, puts_and_gets, items.clone());
    assert_eq!((items.len(), items.try_get()), (Ok(1), Ok(200)));
}

in_every_place!(what_was_put_is_found_at_once);

#[test]
fn a_join_of_a_queue_ends_although_a_worker_died_with_an_item() {
    fn dies(_: &Node, items: Queue<u64>) {
        let _lease = items.lease().unwrap();
        callboard_tests::kill_self();
    }
    let home = Node::start().unwrap();
    let items = queue(&home);
    items.put(1).unwrap();
    let worker = home.process("dies").stderr_null().spawn(dies, items.clone()).unwrap();
    assert!(worker.join().is_err());
    assert_eq!(items.join_timeout(Duration::from_millis(1)), Ok(false));
    let again = items.lease_timeout(PATIENCE).unwrap();
    assert_eq!((*again.item(), again.attempt()), (1, 2));
    again.ack();
    assert_eq!(items.join_timeout(PATIENCE), Ok(true));
}

/// A system call that waits is interrupted when its process is stopped and continued.
#[test]
fn a_wait_goes_on_when_its_process_was_stopped_and_continued() {
    fn waits(_: &Node, (pipe, items, event): (PipeReceiver<ByteBuf>, Queue<u64>, Event)) -> (usize, u64) {
        let len = pipe.recv().unwrap().len();
        let item = items.get().unwrap();
        event.wait().unwrap();
        (len, item)
    }
    let home = Node::start().unwrap();
    let (items, event) = (queue(&home), home.anonymous::<Event>(EventOptions::new()));
    let (sender, receiver) = home.one_way_pipe().unwrap();
    let child = home.spawn("waits", waits, (receiver, items.clone(), event.clone())).unwrap();
    let interrupt = || {
        pause(Duration::from_millis(5));
        send_signal(child.pid(), 19);
        eventually("it is stopped", || stop_state(child.pid()) == Some('T'));
        send_signal(child.pid(), 18);
    };
    interrupt();
    sender.send(ByteBuf::from(vec![1; 16 << 20])).unwrap();
    interrupt();
    items.put(3).unwrap();
    interrupt();
    event.set().unwrap();
    assert_eq!(child.join_timeout(PATIENCE).unwrap(), (16 << 20, 3));
}

#[test]
fn a_join_of_a_child_does_not_wait_for_what_the_child_has_started() {
    fn leaves(_: &Node, (): ()) -> u32 {
        Command::new("sleep").arg("600").spawn().unwrap().id()
    }
    let home = Node::start().unwrap();
    let child = home.spawn("leaves", leaves, ()).unwrap();
    let left = child.join_timeout(PATIENCE).unwrap();
    assert!(!is_running(child.pid()));
    send_signal(left, 9);
}

#[test]
fn a_manager_does_not_outlive_a_killed_parent() {
    fn starts(node: &Node, told: Queue<u32>) {
        let manager = Manager::start(node, "/manager").unwrap();
        told.put_confirmed(manager.process().pid()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let home = Node::start().unwrap();
    let told: Queue<u32> = queue(&home);
    for signal in [9, 15] {
        let parent = home.process("starts").stderr_null().spawn(starts, told.clone()).unwrap();
        let manager = told.get_timeout(PATIENCE).unwrap();
        assert!(is_running(manager));
        send_signal(parent.pid(), signal);
        assert!(parent.join_timeout(PATIENCE).is_err());
        eventually("the manager has ended", || !is_running(manager));
    }
}

#[test]
fn a_lock_that_another_thread_holds_at_a_spawn_is_free_in_the_child() {
    static LOCK: Mutex<u64> = Mutex::new(7);
    fn locks(_: &Node, (): ()) -> u64 {
        *LOCK.lock().unwrap()
    }
    let home = Node::start().unwrap();
    let _held = LOCK.lock().unwrap();
    let spawning = std::thread::spawn(move || home.spawn("locks", locks, ()).unwrap().join_timeout(PATIENCE));
    assert_eq!(spawning.join().unwrap().unwrap(), 7);
}
