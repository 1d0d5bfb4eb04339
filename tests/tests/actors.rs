//! Actors: messages, replies and mailboxes, in one process and between several.

#[path = "actors/asked.rs"]
mod asked;
#[path = "actors/book.rs"]
mod book;
#[path = "actors/ends.rs"]
mod ends;
#[path = "actors/turns.rs"]
mod turns;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callboard::{Actor, ActorRef, AskError, CastError, Context, Event, EventOptions, Failure, Node, ReplyTo};
use callboard_tests::{LeakCheck, PATIENCE, eventually};
use serde::{Deserialize, Serialize};

use self::book::{Book, Say, elsewhere, numbers};

callboard::test_door!();

/// > Messages of one sender arrive in the order sent, in one process and between two; a call is answered once.
#[test]
fn messages_arrive_in_order_and_calls_are_answered() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let here = node.actor::<Book>(vec![]).name("/here").start().unwrap();
        let (child, there) = elsewhere(&node, "/there", 50);
        for book in [&here, &there] {
            (0..10_000).for_each(|n| book.cast(Say::Note(n)).unwrap());
            assert_eq!(numbers(book), (0..10_000).collect::<Vec<_>>());
            assert_eq!(book.call(|reply| Say::Add(1, reply)), Ok(10_000));
            // A reply may hold references, which work where it comes to.
            let same = book.call(Say::Me).unwrap();
            assert_eq!((&same, same.call(|reply| Say::Add(1, reply))), (book, Ok(10_000)));
        }
        fn talks(node: &Node, (there, from): (ActorRef<Say>, u64)) -> Vec<u64> {
            let here: ActorRef<Say> = node.open("/here").unwrap();
            assert!(node.open::<ActorRef<u64>>("/here").is_err());
            for book in [&here, &there] {
                (from..from + 1000).for_each(|n| book.cast(Say::Note(n)).unwrap());
            }
            let numbers = here.call(Say::Numbers).unwrap();
            assert!(there.call(Say::Numbers).unwrap().len() >= 11_000);
            numbers
        }
        let talkers: Vec<_> =
            (1..4).map(|n| node.spawn("talks", talks, (there.clone(), n * 100_000)).unwrap()).collect();
        talkers.iter().for_each(|talker| assert!(talker.join().unwrap().len() >= 11_000));
        for book in [&here, &there] {
            let all = numbers(book);
            assert_eq!(all.len(), 13_000);
            for n in 1..4 {
                let of = |number: &&u64| **number / 100_000 == n;
                assert!(all.iter().filter(of).copied().eq(n * 100_000..n * 100_000 + 1000));
            }
        }
        child.terminate(PATIENCE);
        child.join().unwrap();
    }
    check.check();
}

/// > Within one process a message is moved: it is not encoded, and neither is the reply.
#[test]
fn within_one_process_messages_and_replies_are_moved() {
    /// Can't be encoded.
    struct Whole(Arc<Mutex<u64>>);
    impl Serialize for Whole {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("it is encoded")
        }
    }
    impl<'de> Deserialize<'de> for Whole {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("it is decoded")
        }
    }
    struct Echo;
    impl Actor for Echo {
        type Message = (Whole, ReplyTo<Whole>);
        type Args = ();
        fn start(_: &mut Context<Self::Message>, (): ()) -> Result<Self, Failure> {
            Ok(Echo)
        }
        fn handle(
            &mut self,
            _: &mut Context<Self::Message>,
            (whole, reply): Self::Message,
        ) -> Result<(), Failure> {
            *whole.0.lock().unwrap() += 1;
            Ok(reply.send(whole)?)
        }
    }
    let node = Node::start().unwrap();
    let echo = node.actor::<Echo>(()).start().unwrap();
    let number = Arc::new(Mutex::new(0));
    for n in 1..=100 {
        let back = echo.call(|reply| (Whole(Arc::clone(&number)), reply)).unwrap();
        assert_eq!((*back.0.lock().unwrap(), Arc::ptr_eq(&back.0, &number)), (n, true));
    }
}

/// > A right to reply may be kept or passed on, to whatever process; dropped, its caller is told `Gone`.
#[test]
fn a_right_to_reply_is_kept_passed_on_or_dropped() {
    let node = Node::start().unwrap();
    let here = node.actor::<Book>(vec![10]).start().unwrap();
    let (_one, there) = elsewhere(&node, "/one", 50);
    let (_two, beyond) = elsewhere(&node, "/two", 50);
    beyond.cast(Say::Note(20)).unwrap();
    there.cast(Say::Note(30)).unwrap();
    let all = [(&here, 10), (&there, 30), (&beyond, 20)];
    for (book, _) in all {
        assert_eq!(book.call(Say::Drop), Err(AskError::Gone));
        for (other, number) in all {
            let passed = || book.call(|reply| Say::PassOn(other.clone(), reply));
            assert_eq!(passed(), Ok(number + 1));
            if book != other {
                let asked = book.call(|reply| Say::AskFirst(other.clone(), reply));
                assert_eq!(asked, Ok(Ok(number + 1)));
            }
        }
        std::thread::scope(|scope| {
            let kept: Vec<_> =
                (0..5).map(|_| scope.spawn(|| book.call_timeout(Say::Keep, PATIENCE))).collect();
            eventually("all have been answered", || {
                book.cast(Say::AnswerKept(7)).unwrap();
                kept.iter().all(std::thread::ScopedJoinHandle::is_finished)
            });
            kept.into_iter().for_each(|kept| assert_eq!(kept.join().unwrap(), Ok(7)));
        });
        // Answered too late, it is for nobody.
        let late = book.call_timeout(Say::Keep, Duration::from_millis(20));
        assert_eq!(late, Err(AskError::TimedOut));
        book.cast(Say::AnswerKept(8)).unwrap();
        let (sender, end) = node.one_way_pipe().unwrap();
        sender.send(99).unwrap();
        assert_eq!(book.call(|reply| Say::Pipe(end, reply)), Ok(99));
    }
}

/// > A full mailbox makes a cast wait, with its deadline; each sending node has the room for itself.
#[test]
fn a_full_mailbox_makes_a_cast_wait() {
    fn fills(_: &Node, book: ActorRef<Say>) -> u64 {
        // The first has to find its way to the actor before.
        let time = |n| if n == 0 { PATIENCE } else { Duration::from_millis(50) };
        (0..).take_while(|n| book.cast_timeout(Say::Note(*n), time(*n)).is_ok()).count() as u64
    }
    let node = Node::start().unwrap();
    let here = node.actor::<Book>(vec![]).capacity(5).start().unwrap();
    let (child, there) = elsewhere(&node, "/there", 5);
    for book in [&here, &there] {
        let (begun, go): (Event, Event) =
            (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
        book.cast(Say::Wait(begun.clone(), go.clone())).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        // The one in hand may still count: its room is told of with others'.
        let count =
            (0..10).take_while(|n| book.cast_timeout(Say::Note(*n), Duration::from_millis(50)).is_ok());
        let count = count.count();
        assert!((3..=5).contains(&count), "{count}");
        assert!(matches!(book.try_cast(Say::Note(77)), Err(CastError::Full(Say::Note(77)))));
        let late = book.call_timeout(|reply| Say::Add(1, reply), Duration::from_millis(5));
        assert_eq!(late, Err(AskError::TimedOut));
        let other = node.spawn("fills", fills, book.clone()).unwrap().join().unwrap();
        assert!((3..=5).contains(&other), "{other}");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| book.cast(Say::Note(78)));
            go.set().unwrap();
            waits.join().unwrap().unwrap();
        });
        eventually("it has come", || numbers(book).last() == Some(&78));
        assert_eq!(numbers(book).len() as u64, count as u64 + other + 1);
        let sent = book.call(|reply| Say::CastToSelf(100, reply)).unwrap();
        assert!((4..=5).contains(&sent), "to itself without waiting: {sent}");
    }
    child.terminate(PATIENCE);
    child.join().unwrap();
}

/// > A call whose time is over is not handled any more.
#[test]
fn a_call_whose_time_is_over_is_not_handled() {
    let node = Node::start().unwrap();
    let here = node.actor::<Book>(vec![]).start().unwrap();
    let (_child, there) = elsewhere(&node, "/there", 100);
    for book in [&here, &there] {
        let (begun, go): (Event, Event) =
            (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
        book.cast(Say::Wait(begun.clone(), go.clone())).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        let asked = Instant::now();
        let late = book.call_timeout(|reply| Say::CastToSelf(1, reply), Duration::from_millis(30));
        assert_eq!(late, Err(AskError::TimedOut));
        assert!(asked.elapsed() >= Duration::from_millis(30));
        go.set().unwrap();
        assert_eq!(numbers(book), []);
    }
}

/// > Threads of actors that wait are replaced: a hundred that wait for each other in a row come to an end.
#[test]
fn actors_that_wait_for_each_other_do_not_use_up_the_threads() {
    struct Link(Option<ActorRef<ReplyTo<u64>>>);
    impl Actor for Link {
        type Message = ReplyTo<u64>;
        type Args = Option<ActorRef<ReplyTo<u64>>>;
        fn start(_: &mut Context<Self::Message>, next: Self::Args) -> Result<Self, Failure> {
            Ok(Link(next))
        }
        fn handle(&mut self, _: &mut Context<Self::Message>, reply: ReplyTo<u64>) -> Result<(), Failure> {
            let beyond = match &self.0 {
                Some(next) => next.call(|reply| reply)?,
                None => 0,
            };
            Ok(reply.send(beyond + 1)?)
        }
    }
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let mut next = None;
        for _ in 0..100 {
            next = Some(node.actor::<Link>(next).start().unwrap());
        }
        let first = next.unwrap();
        for _ in 0..5 {
            assert_eq!(first.call_timeout(|reply| reply, PATIENCE), Ok(100));
        }
    }
    check.check();
}
