//! How actors end, and who is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callboard::{
    Actor, ActorRef, AskError, CastError, Context, Event, EventOptions, Exit, Failure, NameError, Node,
    StartActorError,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal};

use crate::book::{Book, Say, elsewhere};

/// > However an actor ends, whoever waits for its reply is told, and what is sent to it from then on comes back.
#[test]
fn who_waits_for_an_actor_that_ends_is_told() {
    let node = Node::start().unwrap();
    let (_child, keeper) = elsewhere(&node, "/keeper", 1000);
    for last in [Say::Panic, Say::Fail, Say::Stop] {
        let (last_there, is_panic) = match &last {
            Say::Panic => (Say::Panic, true),
            Say::Fail => (Say::Fail, false),
            _ => (Say::Stop, false),
        };
        let here = node.actor::<Book>(vec![]).start().unwrap();
        let (child, there) = elsewhere(&node, "/there", 1000);
        for (book, last) in [(&here, last), (&there, last_there)] {
            std::thread::scope(|scope| {
                let waiting: Vec<_> =
                    (0..4).map(|_| scope.spawn(|| book.call_timeout(Say::Keep, PATIENCE))).collect();
                let passed =
                    scope.spawn(|| keeper.call_timeout(|reply| Say::PassOn(book.clone(), reply), PATIENCE));
                assert_eq!(passed.join().unwrap(), Ok(1));
                let (begun, go): (Event, Event) =
                    (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
                book.cast(Say::Wait(begun.clone(), go.clone())).unwrap();
                begun.wait_timeout(PATIENCE).unwrap();
                book.cast(last).unwrap();
                // It has come there: what comes by way of a third process could overtake it before.
                assert!(book.stats(PATIENCE).unwrap().waiting >= 1);
                // These wait in the mailbox, one of them by way of a third process.
                let behind: Vec<_> =
                    (0..4).map(|_| scope.spawn(|| book.call_timeout(|r| Say::Add(1, r), PATIENCE))).collect();
                let beyond =
                    scope.spawn(|| keeper.call_timeout(|reply| Say::PassOn(book.clone(), reply), PATIENCE));
                go.set().unwrap();
                let mut gone = waiting.into_iter().chain(behind).chain([beyond]);
                assert!(gone.all(|call| call.join().unwrap() == Err(AskError::Gone)), "{is_panic}");
            });
            eventually("it is known to have ended", || {
                matches!(book.try_cast(Say::Note(1)), Err(CastError::Gone(Say::Note(1))))
            });
            assert_eq!(book.call(|reply| Say::Add(1, reply)), Err(AskError::Gone));
            assert!(book.has_ended());
        }
        // Of that only a monitor tells: nothing comes in any more from a moment before on.
        eventually("its name is free", || {
            matches!(node.open::<ActorRef<Say>>("/there"), Err(NameError::NotFound(_)))
        });
        child.terminate(PATIENCE);
        child.join().unwrap();
    }
}

/// > A killed process ends the calls to its actors, and those whose right to reply it has, wherever the caller is.
#[test]
fn a_killed_process_ends_the_calls_that_it_was_to_answer() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let mut random = Random::new();
        let (_one, between) = elsewhere(&node, "/between", 1000);
        for _ in 0..rounds(30) {
            let (child, there) = elsewhere(&node, "/there", 10);
            std::thread::scope(|scope| {
                let calls: Vec<_> = (0..6)
                    .map(|n| {
                        let (there, between) = (&there, &between);
                        scope.spawn(move || {
                            for sent in 0_u64.. {
                                let told = match n % 3 {
                                    0 => there.call(|reply| Say::Add(1, reply)),
                                    1 => between.call(|reply| Say::PassOn(there.clone(), reply)),
                                    _ => there.call(Say::Keep),
                                };
                                match told {
                                    Ok(1) => {}
                                    Err(AskError::Disconnected | AskError::Gone) => return sent,
                                    other => panic!("{other:?}"),
                                }
                            }
                            0
                        })
                    })
                    .collect();
                pause(random.time(Duration::from_millis(3)));
                if random.below(2) == 0 {
                    send_signal(child.pid(), 19);
                }
                send_signal(child.pid(), 9);
                assert!(child.join().is_err());
                assert!(calls.into_iter().all(|call| call.join().is_ok()));
            });
            assert!(matches!(there.cast(Say::Note(1)), Err(CastError::Disconnected(Say::Note(1)))));
            assert!(between.call_timeout(Say::Numbers, PATIENCE).is_ok());
        }
    }
    check.check();
}

/// > `stop` ends an actor after the message in hand, `drain` after those that wait, `kill` without its `stopped`.
#[test]
fn an_actor_is_stopped_drained_or_killed() {
    static HANDLED: AtomicU64 = AtomicU64::new(0);
    static STOPPED: AtomicU64 = AtomicU64::new(0);
    struct Counts;
    impl Actor for Counts {
        type Message = Option<(Event, Event)>;
        type Args = ();
        fn start(_: &mut Context<Self::Message>, (): ()) -> Result<Self, Failure> {
            Ok(Counts)
        }
        fn handle(&mut self, _: &mut Context<Self::Message>, wait: Self::Message) -> Result<(), Failure> {
            HANDLED.fetch_add(1, Ordering::SeqCst);
            if let Some((begun, go)) = wait {
                begun.set()?;
                go.wait()?;
            }
            Ok(())
        }
        fn stopped(&mut self, _: &mut Context<Self::Message>, exit: &Exit) {
            assert!(matches!(exit, Exit::Normal));
            STOPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    let node = Node::start().unwrap();
    type End = fn(&ActorRef<Option<(Event, Event)>>);
    let ends: [(End, u64, u64); 3] = [(|a| a.stop(), 1, 1), (|a| a.drain(), 6, 1), (|a| a.kill(), 1, 0)];
    for (end, handled, stopped) in ends {
        let counts = node.actor::<Counts>(()).name("/counts").start().unwrap();
        let (begun, go): (Event, Event) =
            (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()));
        counts.cast(Some((begun.clone(), go.clone()))).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        (0..5).for_each(|_| counts.cast(None).unwrap());
        end(&counts);
        assert!(matches!(counts.cast(None), Err(CastError::Gone(None))));
        assert!(matches!(node.actor::<Counts>(()).name("/counts").start(), Err(StartActorError::Name(_))));
        go.set().unwrap();
        eventually("it has ended", || counts.has_ended());
        assert_eq!(HANDLED.swap(0, Ordering::SeqCst), handled);
        assert_eq!(STOPPED.swap(0, Ordering::SeqCst), stopped);
        eventually("its name is free", || node.open::<ActorRef<Option<(Event, Event)>>>("/counts").is_err());
    }
}

/// > An actor that does not start leaves nothing, and its name is free; one that stops in `start` ends at once.
#[test]
fn an_actor_that_does_not_start_leaves_nothing() {
    let node = Node::start().unwrap();
    for _ in 0..2 {
        let start = |first| node.actor::<Book>(vec![first]).name("/book").start();
        assert!(
            matches!(start(13), Err(StartActorError::Failed(why)) if why.to_string().contains("that number"))
        );
        assert!(matches!(start(14), Err(StartActorError::Panicked(why)) if why.contains("either")));
        let ended = start(15).unwrap();
        eventually("it has ended", || ended.has_ended());
        eventually("its name is free", || node.open::<ActorRef<Say>>("/book").is_err());
    }
    assert!(matches!(
        node.actor::<Book>(vec![]).name("").start(),
        Err(StartActorError::Name(NameError::BadName(_)))
    ));
}

/// > A right to reply may go through any processes: when that ends which has it last, the caller is told.
#[test]
fn whoever_has_a_right_to_reply_last_ends_the_call() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let here = node.actor::<Book>(vec![]).start().unwrap();
    let (_one, one) = elsewhere(&node, "/one", 100);
    let (_two, two) = elsewhere(&node, "/two", 100);
    for _ in 0..rounds(20) {
        let (child, last) = elsewhere(&node, "/last", 100);
        // By way of the caller's own node, of two others, of all, and back to one.
        let ways = [
            vec![last.clone(), here.clone()],
            vec![last.clone(), two.clone()],
            vec![last.clone(), here.clone(), two.clone(), here.clone(), one.clone(), two.clone()],
            vec![last.clone()],
        ];
        std::thread::scope(|scope| {
            let calls: Vec<_> = ways
                .into_iter()
                .flat_map(|way| [(one.clone(), way.clone()), (here.clone(), way)])
                .map(|(first, way)| {
                    scope.spawn(move || first.call_timeout(|reply| Say::Relay(way, reply), PATIENCE))
                })
                .collect();
            pause(random.time(Duration::from_millis(2)));
            send_signal(child.pid(), 9);
            assert!(child.join().is_err());
            for call in calls {
                let told = call.join().unwrap();
                assert!(matches!(told, Err(AskError::Disconnected | AskError::Gone)), "{told:?}");
            }
        });
    }
}

/// > A message that can't be read, or panics as it is, is told on standard error, and harms nobody.
#[test]
fn a_message_that_panics_as_it_is_read_harms_nobody() {
    let node = Node::start().unwrap();
    let (_child, there) = elsewhere(&node, "/there", 100);
    for _ in 0..20 {
        there.cast(Say::Spoilt(crate::book::Spoilt)).unwrap();
        assert_eq!(there.call_timeout(|reply| Say::Add(1, reply), PATIENCE), Ok(1));
    }
}

/// > When a node ends, whoever waits for one of its actors is told, also for one in the middle of a message.
#[test]
fn who_waits_for_an_actor_of_a_node_that_ends_is_told() {
    let lasting = Node::start().unwrap();
    for _ in 0..rounds(20) {
        let node = Node::start().unwrap();
        let book = node.actor::<Book>(vec![]).start().unwrap();
        // Of a node that goes on: the actor stays in the middle of its message.
        let (begun, go): (Event, Event) =
            (lasting.anonymous(EventOptions::new()), lasting.anonymous(EventOptions::new()));
        book.cast(Say::Wait(begun.clone(), go.clone())).unwrap();
        begun.wait_timeout(PATIENCE).unwrap();
        std::thread::scope(|scope| {
            let behind = scope.spawn(|| book.call_timeout(|reply| Say::Add(1, reply), PATIENCE));
            drop(node);
            assert_eq!(behind.join().unwrap(), Err(AskError::Gone));
        });
        assert!(matches!(book.cast(Say::Note(1)), Err(CastError::Gone(_))));
        go.set().unwrap();
    }
}
