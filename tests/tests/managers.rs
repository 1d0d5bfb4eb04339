//! Objects of users' own types, and managers that host objects for others.

use std::time::Duration;

use callboard::{
    Dict, DictError, DictOptions, Event, EventOptions, Host, List, ListOptions, Manager, ManagerError,
    NameError, Node, ObjectError, Queue, QueueError, QueueOptions, Reply, Serve, Served, ServedError,
    TryGetError, WaitAny,
};
use callboard_tests::{PATIENCE, Random, eventually, is_running, pause, rounds, send_signal, stop_state};
use serde::{Deserialize, Serialize};

callboard::test_door!();

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counter {
    value: u64,
    seen: Vec<String>,
}

impl Counter {
    fn increment(&mut self, by: u64) -> u64 {
        self.value += by;
        self.value
    }

    fn note(&mut self, text: String) {
        assert!(!text.is_empty(), "an empty note");
        self.seen.push(text);
    }

    /// Waits, as a method may.
    fn wait_for(&mut self, event: Event) -> bool {
        event.wait().is_ok()
    }

    /// The same, and says that it does.
    fn wait_told(&mut self, (waits, event): (Event, Event)) -> bool {
        waits.set().is_ok() && event.wait().is_ok()
    }
}

fn own(node: &Node, name: String) {
    let _counter: Served<Counter> = node.create(&name, Serve::new(Counter::default())).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn increments(_: &Node, (counter, count): (Served<Counter>, u64)) {
    for _ in 0..count {
        counter.call(Counter::increment, 1).unwrap();
    }
}

/// > Methods of a served object run one after another where it is, and all callers see one state.
#[test]
fn methods_run_one_after_another_and_all_callers_see_one_state() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Served<Counter> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let here: Served<Counter> = node.create("/ours", Serve::new(Counter::default())).unwrap();
    for counter in [here, remote] {
        let children: Vec<_> =
            (0..3).map(|_| node.spawn("adds", increments, (counter.clone(), 1000)).unwrap()).collect();
        for child in children {
            child.join().unwrap();
        }
        assert_eq!(counter.call(|counter, ()| counter.value, ()).unwrap(), 3000);
        counter.call(Counter::note, "one".to_owned()).unwrap();
        assert_eq!(counter.call(|counter, ()| counter.seen.clone(), ()).unwrap(), ["one"]);
    }
    assert!(matches!(node.open::<Served<u64>>("/ours"), Err(NameError::WrongType { .. })));
}

/// > A method that panics is an error of that call, and the object serves on.
#[test]
fn a_method_that_panics_is_an_error_of_that_call() {
    let node = Node::start().unwrap();
    let counter: Served<Counter> = node.anonymous(Serve::new(Counter::default()));
    for _ in 0..3 {
        let failed = counter.call(Counter::note, String::new());
        assert!(matches!(&failed, Err(ServedError::Panicked(text)) if text == "an empty note"), "{failed:?}");
        counter.call(Counter::note, "fine".to_owned()).unwrap();
    }
    assert_eq!(counter.call(|counter, ()| counter.seen.len(), ()).unwrap(), 3);
}

/// > A call keeps its timeout; one that has not begun by then never does. 1,024 calls may wait, one more is refused.
#[test]
fn a_call_keeps_its_timeout_and_the_mailbox_its_limit() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let counter: Served<Counter> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let event: Event = node.anonymous(EventOptions::new());
    let waits: Event = node.anonymous(EventOptions::new());
    let busy = std::thread::spawn({
        let (counter, events) = (counter.clone(), (waits.clone(), event.clone()));
        move || counter.call(Counter::wait_told, events)
    });
    assert_eq!(waits.wait_timeout(PATIENCE), Ok(true));
    let late = counter.call_timeout(Counter::increment, 1000, Duration::from_millis(1));
    assert!(matches!(late, Err(ServedError::TimedOut)));
    let mut waiting: Vec<Reply<u64>> =
        (0..1034).map(|_| counter.begin_call(Counter::increment, 1).unwrap()).collect();
    for mut refused in waiting.split_off(1024) {
        assert!(matches!(refused.wait_timeout(PATIENCE), Err(ServedError::Full)));
    }
    event.set().unwrap();
    assert!(busy.join().unwrap().unwrap());
    let returned = waiting.into_iter().map(|reply| reply.wait().unwrap());
    assert!(returned.eq(1..=1024));
    // The one that timed out was not carried out.
    assert_eq!(counter.call(|counter, ()| counter.value, ()).unwrap(), 1024);
}

fn creates(_: &Node, host: Host) -> Queue<u64> {
    let queue: Queue<u64> = host.create("/hosted/numbers", QueueOptions::new()).unwrap();
    queue.put_many(0..10).unwrap();
    let event: Event = host.anonymous(EventOptions::new()).unwrap();
    event.set().unwrap();
    queue
}

/// > A manager's objects outlive whoever had them created, and end with the manager.
#[test]
fn the_objects_of_a_manager_outlive_their_creator_and_end_with_the_manager() {
    let node = Node::start().unwrap();
    let manager = Manager::start(&node, "/shared").unwrap();
    let queue = node.spawn("creates", creates, manager.host().clone()).unwrap().join().unwrap();
    assert!((0..10).all(|n| queue.get() == Ok(n)));
    let by_name: Queue<u64> = node.open("/hosted/numbers").unwrap();
    by_name.put_confirmed(5).unwrap();
    let counter: Served<Counter> = Host::open(&node, "/shared")
        .unwrap()
        .create("/hosted/counter", Serve::new(Counter { value: 7, seen: Vec::new() }))
        .unwrap();
    assert_eq!(counter.call(Counter::increment, 1).unwrap(), 8);
    let dict: Dict<String, u64> =
        manager.host().create("/hosted/dict", DictOptions::new().capacity(1)).unwrap();
    dict.insert("a".to_owned(), 1).unwrap();
    assert!(matches!(dict.insert("b".to_owned(), 2), Err(DictError::Full)));
    let list: List<u64> = manager.host().anonymous(ListOptions::new()).unwrap();
    assert_eq!(list.push(7), Ok(1));
    let functions = ListOptions::new().function("double", |n: u64, (): ()| (2 * n, ()));
    let refused = manager.host().anonymous::<List<u64>>(functions).unwrap_err();
    assert!(format!("{refused:?}").contains("do not travel"), "{refused:?}");

    let taken = manager.host().create::<Queue<u64>>("/hosted/numbers", QueueOptions::new()).unwrap_err();
    assert!(matches!(&taken, ManagerError::Name(_)) && taken.to_string().contains("is taken by"), "{taken}");
    let taken = Manager::start(&node, "/hosted/numbers").unwrap_err();
    assert!(matches!(&taken, ManagerError::Start(_)) && taken.to_string().contains("is taken by"), "{taken}");

    let pid = manager.process().pid();
    manager.shutdown(PATIENCE).unwrap();
    assert!(!is_running(pid));
    assert!(matches!(by_name.len(), Err(QueueError::Disconnected)));
    assert!(matches!(counter.call(Counter::increment, 1), Err(ServedError::Disconnected)));
    assert!(matches!(node.open::<Queue<u64>>("/hosted/numbers"), Err(NameError::NotFound(_))));
}

/// > A manager killed at any moment is told to everyone who uses it, and can be started anew under the same name.
#[test]
fn a_killed_manager_is_told_to_everyone_and_can_be_started_anew() {
    fn waits(_: &Node, (event, counter): (Event, Served<Counter>)) -> (bool, bool) {
        let mut calls = 0;
        while counter.call(Counter::increment, 1).is_ok() {
            calls += 1;
        }
        (event.wait() == Err(ObjectError::Disconnected), calls > 0)
    }
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for _ in 0..rounds(30) {
        let manager = Manager::start(&node, "/shared").unwrap();
        let host = manager.host();
        let event: Event = host.create("/event", EventOptions::new()).unwrap();
        let queue: Queue<u64> = host.create("/queue", QueueOptions::new()).unwrap();
        let counter: Served<Counter> = host.anonymous(Serve::new(Counter::default())).unwrap();
        counter.call(Counter::increment, 1).unwrap();
        let child = node.spawn("waits", waits, (event.clone(), counter)).unwrap();
        let getter = std::thread::spawn(move || queue.get().is_err());
        let waiter = std::thread::spawn(move || event.wait());
        pause(random.time(Duration::from_millis(5)));
        let pid = manager.process().pid();
        if random.below(2) == 0 {
            send_signal(pid, 19);
            eventually("it is stopped", || stop_state(pid) == Some('T'));
        }
        // Asked for, so that no line is written about it.
        manager.process().kill().unwrap();
        assert!(manager.process().join().is_err());
        assert!(child.join().unwrap().0);
        assert!(getter.join().unwrap());
        assert_eq!(waiter.join().unwrap(), Err(ObjectError::Disconnected));
        assert!(matches!(host.anonymous::<Event>(EventOptions::new()), Err(ManagerError::Host(_))));
    }
}

/// > Many calls of one thread may be under way at once: they are carried out in the order begun, and each reply comes once.
#[test]
fn many_calls_of_one_thread_are_under_way_at_once() {
    const CALLS: u64 = 64;
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let remote: Served<Counter> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let here: Served<Counter> = node.create("/ours", Serve::new(Counter::default())).unwrap();
    for counter in [here, remote] {
        let event: Event = node.anonymous(EventOptions::new());
        let busy = counter.begin_call(Counter::wait_for, event.clone()).unwrap();
        let mut replies: Vec<Reply<u64>> =
            (0..CALLS).map(|_| counter.begin_call(Counter::increment, 1).unwrap()).collect();
        let last = replies.last_mut().unwrap();
        assert!(matches!(last.try_wait(), Ok(None)));
        assert!(matches!(last.wait_timeout(Duration::from_millis(5)), Ok(None)));
        event.set().unwrap();
        assert!(busy.wait().unwrap());
        // The last first: the others' replies stay until they are asked for.
        let last = replies.last_mut().unwrap();
        assert_eq!(last.wait_timeout(PATIENCE).unwrap(), Some(CALLS));
        assert!(matches!(last.try_wait(), Err(ServedError::Taken)));
        assert!(matches!(last.wait_timeout(PATIENCE), Err(ServedError::Taken)));
        assert!(matches!(replies.pop().unwrap().wait(), Err(ServedError::Taken)));
        for (before, mut reply) in replies.into_iter().enumerate() {
            assert_eq!(reply.try_wait().unwrap(), Some(before as u64 + 1));
        }
        let panics = counter.begin_call(Counter::note, String::new()).unwrap();
        assert!(matches!(panics.wait(), Err(ServedError::Panicked(text)) if text == "an empty note"));
    }
}

/// > Replies are waited for together with other things.
#[test]
fn replies_are_waited_for_together_with_other_things() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let counter: Served<Counter> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
    let event: Event = node.anonymous(EventOptions::new());
    let busy = counter.begin_call(Counter::wait_for, event.clone()).unwrap();
    let mut replies: Vec<Reply<u64>> =
        (0..64).map(|_| counter.begin_call(Counter::increment, 1).unwrap()).collect();
    let mut any = WaitAny::new(&node);
    let (queue, flag) = (any.add(&numbers), any.add(&busy));
    let members: Vec<_> = replies.iter().map(|reply| any.add(reply)).collect();
    assert_eq!(any.wait_timeout(Duration::from_millis(5)), None);
    numbers.put(7).unwrap();
    assert_eq!(any.wait(), Some(queue));
    assert_eq!((numbers.try_get(), numbers.try_get()), (Ok(7), Err(TryGetError::Empty)));
    event.set().unwrap();
    let mut came = 0;
    while came < 65 {
        let ready = any.wait_timeout(PATIENCE).expect("replies are on their way");
        any.remove(ready);
        came += 1;
        if ready != flag {
            let at = members.iter().position(|member| *member == ready).unwrap();
            assert_eq!(replies[at].try_wait().unwrap(), Some(at as u64 + 1));
        }
    }
    assert_eq!(any.wait_timeout(Duration::from_millis(5)), None);
    // What is taken or dropped elsewhere while somebody waits for it ends the wait.
    let go: Event = node.anonymous(EventOptions::new());
    let dropped = counter.begin_call(Counter::wait_for, go.clone()).unwrap();
    let member = any.add(&dropped);
    let waits = std::thread::spawn(move || any.wait_timeout(PATIENCE));
    pause(Duration::from_millis(5));
    drop(dropped);
    assert_eq!(waits.join().unwrap(), Some(member));
    go.set().unwrap();
}

/// > A reply that is dropped takes its call back, if that has not begun.
#[test]
fn a_reply_that_is_dropped_takes_its_call_back_if_that_has_not_begun() {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let counter: Served<Counter> = node.open_timeout("/theirs", PATIENCE).unwrap();
    let event: Event = node.anonymous(EventOptions::new());
    let busy = counter.begin_call(Counter::wait_for, event.clone()).unwrap();
    let mut kept = counter.begin_call(Counter::increment, 1).unwrap();
    drop(counter.begin_call(Counter::increment, 1000).unwrap());
    assert!(matches!(kept.wait_timeout(Duration::from_millis(5)), Ok(None)));
    event.set().unwrap();
    assert!(busy.wait().unwrap());
    assert_eq!(kept.wait().unwrap(), 1);
    assert_eq!(counter.call(|counter, ()| counter.value, ()).unwrap(), 1);
}

/// > A call is not begun while 64 MiB wait for the object's process, which does not read.
#[test]
fn a_call_is_not_begun_while_64_mib_wait_for_a_process_that_does_not_read() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    let counter: Served<Counter> = node.open_timeout("/theirs", PATIENCE).unwrap();
    counter.call(Counter::increment, 1).unwrap();
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    let mut replies = Vec::new();
    let refused = loop {
        match counter.begin_call(Counter::note, "x".repeat(1 << 20)) {
            Ok(reply) => replies.push(reply),
            Err(refused) => break refused,
        }
        assert!(replies.len() < 100, "it is never refused");
    };
    assert!(matches!(refused, ServedError::Full) && replies.len() > 63);
    send_signal(owner.pid(), 18);
    replies.into_iter().for_each(|reply| reply.wait().unwrap());
    counter.begin_call(Counter::increment, 1).unwrap().wait().unwrap();
}

/// > Whenever an object's process is killed, each reply that has not come is an error.
#[test]
fn whenever_an_objects_process_is_killed_each_reply_that_has_not_come_is_an_error() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(20) {
        let name = format!("/owned/{round}");
        let owner = node.spawn("owner", own, name.clone()).unwrap();
        let counter: Served<Counter> = node.open_timeout(&name, PATIENCE).unwrap();
        let mut replies: Vec<Reply<u64>> =
            (0..64).map(|_| counter.begin_call(Counter::increment, 1).unwrap()).collect();
        let event: Event = node.anonymous(EventOptions::new());
        let mut never = counter.begin_call(Counter::wait_for, event).unwrap();
        let mut any = WaitAny::new(&node);
        any.add(&never);
        pause(random.time(Duration::from_millis(2)));
        if round.is_multiple_of(2) {
            send_signal(owner.pid(), 19);
            eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
            replies.push(counter.begin_call(Counter::increment, 1).unwrap());
        }
        owner.kill().unwrap();
        assert!(any.wait_timeout(PATIENCE).is_some(), "the reply to a call that never returns");
        assert!(matches!(never.try_wait(), Err(ServedError::Disconnected)));
        let mut failed = false;
        for (before, mut reply) in replies.into_iter().enumerate() {
            match reply.wait_timeout(PATIENCE) {
                Ok(Some(value)) => {
                    assert!(!failed && value == before as u64 + 1, "{before} returned {value}");
                }
                Err(ServedError::Disconnected) => failed = true,
                other => panic!("{other:?}"),
            }
        }
        let late = counter.begin_call(Counter::increment, 1).and_then(Reply::wait);
        assert!(matches!(late, Err(ServedError::Disconnected)), "{late:?}");
        assert!(owner.join().is_err());
    }
}
