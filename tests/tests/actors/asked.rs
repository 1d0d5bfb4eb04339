//! Calls that are under way while their caller does other things.

use std::time::{Duration, Instant};

use callboard::{ActorRef, AskError, Asked, Event, EventOptions, Node, Queue, QueueOptions, WaitAny};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

use crate::book::{Book, Say, elsewhere, numbers};

const CALLS: usize = 64;

fn keep(book: &ActorRef<Say>) -> Asked<u64> {
    book.begin_call(Say::Keep).unwrap()
}

/// It waits in the middle of a message until the event is set.
fn is_busy(node: &Node, book: &ActorRef<Say>) -> Event {
    let (begun, go): (Event, Event) =
        (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
    book.cast(Say::Wait(begun.clone(), go.clone())).unwrap();
    begun.wait_timeout(PATIENCE).unwrap();
    go
}

/// > Many calls of one thread are under way at once, and each has its answer in whatever order they are answered.
#[test]
fn many_calls_are_under_way_and_answered_in_another_order() {
    let node = Node::start().unwrap();
    let here = node.actor::<Book>(vec![]).start().unwrap();
    let (_child, there) = elsewhere(&node, "/there", 1000);
    for book in [&here, &there] {
        let mut kept: Vec<Asked<u64>> = Vec::new();
        let mut added = Vec::new();
        for n in 0..CALLS as u64 / 2 {
            kept.push(keep(book));
            added.push(book.begin_call(|reply| Say::Add(n, reply)).unwrap());
        }
        // Those that were asked later are answered before, and in any order of taking.
        for (n, call) in added.into_iter().enumerate().rev() {
            assert_eq!(call.wait(), Ok(n as u64));
        }
        assert!(kept.iter().all(|call| !call.is_ready()));
        assert_eq!(kept[0].try_wait(), Ok(None));
        assert_eq!(kept[1].wait_timeout(Duration::from_millis(5)), Ok(None));
        let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
        let mut any = WaitAny::new(&node);
        let queue = any.add(&numbers);
        let members: Vec<_> = kept.iter().map(|call| any.add(call)).collect();
        assert_eq!(any.wait_timeout(Duration::from_millis(5)), None);
        numbers.put(7).unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(queue));
        assert_eq!(numbers.try_get(), Ok(7));
        book.cast(Say::AnswerBackwards).unwrap();
        for _ in 0..kept.len() {
            let ready = any.wait_timeout(PATIENCE).expect("answers are on their way");
            any.remove(ready);
            let place = members.iter().position(|member| *member == ready).unwrap();
            assert!(kept[place].is_ready());
            assert_eq!(kept[place].try_wait(), Ok(Some(place as u64)));
            assert_eq!(kept[place].try_wait(), Err(AskError::Taken));
        }
        let first = kept.swap_remove(0);
        assert!(first.is_ready());
        assert_eq!(first.wait(), Err(AskError::Taken));
        assert_eq!(book.begin_call(Say::Drop).unwrap().wait(), Err(AskError::Gone));
    }
}

/// > A killed process ends all calls that are under way to it, whether they are waited for alone or together.
#[test]
fn a_killed_process_ends_all_calls_under_way_to_it() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let mut random = Random::new();
        let (_one, between) = elsewhere(&node, "/between", 1000);
        for round in 0..rounds(20) {
            let (child, there) = elsewhere(&node, "/there", 1000);
            let calls: Vec<_> = (0..CALLS)
                .map(|n| match n % 2 {
                    0 => keep(&there),
                    _ => between.begin_call(|reply| Say::Relay(vec![there.clone()], reply)).unwrap(),
                })
                .collect();
            let mut together: Vec<_> = (0..CALLS).map(|_| keep(&there)).collect();
            let mut any = WaitAny::new(&node);
            together.iter().for_each(|call| _ = any.add(call));
            pause(random.time(Duration::from_millis(2)));
            if round % 2 == 0 {
                send_signal(child.pid(), 19);
                eventually("it is stopped", || stop_state(child.pid()) == Some('T'));
                together.push(keep(&there));
                any.add(together.last().unwrap());
            }
            send_signal(child.pid(), 9);
            for _ in 0..together.len() {
                let ready = any.wait_timeout(PATIENCE).expect("all of them end");
                any.remove(ready);
            }
            assert!(together.iter().all(Asked::is_ready));
            assert!(together.into_iter().all(|call| call.wait() == Err(AskError::Disconnected)));
            for (n, mut call) in calls.into_iter().enumerate() {
                let told = call.wait_timeout(PATIENCE);
                // What goes by way of another may be refused there.
                let by_way = n % 2 == 1 && told == Err(AskError::Gone);
                assert!(by_way || told == Err(AskError::Disconnected), "{n}: {told:?}");
            }
            assert!(child.join().is_err());
            eventually("its end is known", || there.has_ended());
            assert_eq!(there.begin_call(Say::Numbers).unwrap_err(), AskError::Disconnected);
        }
    }
    check.check();
}

/// > The answer to a call that is not waited for any more is for nobody; the message is handled all the same.
#[test]
fn a_dropped_call_is_handled_and_answered_to_nobody() {
    let node = Node::start().unwrap();
    let here = node.actor::<Book>(vec![]).start().unwrap();
    let (_child, there) = elsewhere(&node, "/there", 1000);
    for book in [&here, &there] {
        for _ in 0..CALLS {
            drop(book.begin_call(|reply| Say::CastToSelf(1, reply)).unwrap());
        }
        eventually("all have been handled", || numbers(book).len() == CALLS);
        // A set of which it is a member is told.
        let dropped = keep(book);
        let mut any = WaitAny::new(&node);
        let member = any.add(&dropped);
        let waits = std::thread::spawn(move || any.wait_timeout(PATIENCE));
        pause(Duration::from_millis(5));
        drop(dropped);
        assert_eq!(waits.join().unwrap(), Some(member));
        book.cast(Say::AnswerKept(1)).unwrap();
        assert_eq!(numbers(book).len(), CALLS);
    }
}

/// > A call under way is over at its deadline, also among other things that are waited for.
#[test]
fn a_call_under_way_is_over_at_its_deadline() {
    let node = Node::start().unwrap();
    let here = node.actor::<Book>(vec![]).start().unwrap();
    let (_child, there) = elsewhere(&node, "/there", 1000);
    for book in [&here, &there] {
        let go = is_busy(&node, book);
        let asked = Instant::now();
        let soon = Duration::from_millis(30);
        let begin = || book.begin_call_timeout(|reply| Say::CastToSelf(1, reply), soon).unwrap();
        let (alone, mut once, among) = (begin(), begin(), begin());
        let later = book.begin_call_timeout(|reply| Say::Add(5, reply), PATIENCE).unwrap();
        let mut any = WaitAny::new(&node);
        let (_, member) = (any.add(&later), any.add(&among));
        assert_eq!(any.wait_timeout(PATIENCE), Some(member));
        assert_eq!(among.wait(), Err(AskError::TimedOut));
        assert_eq!(alone.wait(), Err(AskError::TimedOut));
        assert_eq!(once.wait_timeout(PATIENCE), Err(AskError::TimedOut));
        assert_eq!(once.wait_timeout(PATIENCE), Err(AskError::Taken));
        assert!(asked.elapsed() >= soon);
        go.set().unwrap();
        assert_eq!(later.wait(), Ok(5));
        assert_eq!(numbers(book), []);
    }
}
