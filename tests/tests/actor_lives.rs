//! What an actor may do with its own life, and what it hears of others': timers, stash, full mailboxes, monitors, links.

#[path = "actor_lives/bonds.rs"]
mod bonds;
#[path = "actor_lives/once.rs"]
mod once;
#[path = "actor_lives/order.rs"]
mod order;
#[path = "actor_lives/scribe.rs"]
mod scribe;

use std::time::{Duration, Instant};

use callboard::{
    ActorRef, AskError, CastError, Event, EventOptions, Exit, JoinError, NameError, Node, Process,
    StartActorError, WhenFull,
};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, rounds, send_signal};

use self::scribe::{Do, Scribe, Tell, elsewhere, seen, tell};

callboard::test_door!();

fn events(node: &Node) -> (Event, Event) {
    (node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new()))
}

/// Keeps an actor with a full-mailbox policy.
fn keeps_full(node: &Node, (policy, other): (u32, ActorRef<Tell>)) {
    let policies = [WhenFull::Fail, WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Divert(other)];
    let policy = policies.into_iter().nth(policy as usize).unwrap();
    let _full = node.actor::<Scribe>(()).name("/full").capacity(4).when_full(policy).start().unwrap();
    node.wait_stopping(PATIENCE * 10);
}

fn full(node: &Node, policy: u32, other: &ActorRef<Tell>) -> (Process<()>, ActorRef<Tell>) {
    let child = node.spawn("full", keeps_full, (policy, other.clone())).unwrap();
    (child, node.open_timeout("/full", PATIENCE).unwrap())
}

/// What it has seen, asked again if there was no room for the question.
fn seen_with_room(actor: &ActorRef<Tell>) -> Vec<String> {
    let mut seen = None;
    eventually("there is room", || {
        seen = actor.call_timeout(Tell::Seen, PATIENCE).ok();
        seen.is_some()
    });
    seen.unwrap()
}

/// > A message without room is refused, dropped, drops the oldest or goes elsewhere, as asked, and every drop is counted.
#[test]
fn a_message_without_room_does_what_was_asked() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        for policy in 0..4 {
            let mut went_elsewhere = 0;
            let other = node.actor::<Scribe>(()).capacity(1000).start().unwrap();
            let policies =
                [WhenFull::Fail, WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Divert(other.clone())];
            let here = policies.into_iter().nth(policy as usize).unwrap();
            let here = node.actor::<Scribe>(()).capacity(4).when_full(here).start().unwrap();
            let (child, there) = full(&node, policy, &other);
            for actor in [&here, &there] {
                // The first message of a node goes ahead; from then on the policy is known.
                tell(actor, Do::Note(0));
                assert_eq!(seen(actor), ["0"]);
                let (begun, go) = events(&node);
                tell(actor, Do::Block(begun.clone(), go.clone()));
                begun.wait_timeout(PATIENCE).unwrap();
                let sent: Vec<bool> = (1..=20).map(|n| actor.cast(Tell::Do(Do::Note(n))).is_ok()).collect();
                let accepted = sent.iter().filter(|ok| **ok).count();
                let is_fail = policy == 0;
                assert_eq!(accepted == 20, !is_fail, "{policy}: {sent:?}");
                if is_fail {
                    let refused = actor.cast(Tell::Do(Do::Note(99)));
                    assert!(matches!(refused, Err(CastError::Full(Tell::Do(Do::Note(99))))));
                    assert_eq!(actor.call(Tell::Seen), Err(AskError::Full));
                }
                go.set().unwrap();
                let is_done = || actor.stats(PATIENCE).unwrap().waiting == 0;
                eventually("it has come to the end of them", is_done);
                let handled = seen_with_room(actor);
                let newest = ["0", "17", "18", "19", "20"].map(str::to_owned).to_vec();
                let oldest: Vec<String> = (0..handled.len()).map(|n| n.to_string()).collect();
                assert_eq!(handled, if policy == 2 { newest } else { oldest }, "{policy}");
                // The room of the one in hand may count as free or not.
                assert!((4..=6).contains(&handled.len()), "{handled:?}");
                let lost = 21 - handled.len() as u64;
                match policy {
                    0 => assert_eq!(accepted, handled.len() - 1),
                    3 => {
                        went_elsewhere += lost;
                        eventually("the others went elsewhere", || {
                            seen(&other).len() as u64 == went_elsewhere
                        });
                    }
                    // A sender elsewhere tells of them when it has room again.
                    _ => eventually("they are counted", || {
                        tell(actor, Do::Stash(false));
                        actor.stats(PATIENCE).unwrap().dropped >= lost
                    }),
                }
            }
            child.terminate(PATIENCE);
            child.join().unwrap();
        }
    }
    check.check();
}

/// > An actor that waits for a sender does not keep that one waiting for room there is, in one process and between two.
#[test]
fn an_actor_that_waits_for_a_sender_leaves_it_the_room_there_is() {
    fn keeps_small(node: &Node, (): ()) {
        let _small = node.actor::<Scribe>(()).name("/small").capacity(16).start().unwrap();
        node.wait_stopping(PATIENCE * 10);
    }
    let node = Node::start().unwrap();
    let here = node.actor::<Scribe>(()).capacity(16).start().unwrap();
    let child = node.spawn("small", keeps_small, ()).unwrap();
    let there = node.open_timeout("/small", PATIENCE).unwrap();
    for actor in [&here, &there] {
        for handled in 1..8 {
            let (begun, go) = events(&node);
            (0..handled).for_each(|n| tell(actor, Do::Note(n)));
            tell(actor, Do::Block(begun.clone(), go.clone()));
            begun.wait_timeout(PATIENCE).unwrap();
            // It goes on when 16 more are there; of their room what was handled so far is a part.
            for n in 0..16 {
                actor.cast_timeout(Tell::Do(Do::Note(n)), PATIENCE).unwrap();
            }
            go.set().unwrap();
        }
        assert_eq!(seen(actor).len(), (1..8).map(|handled| handled + 16).sum::<usize>());
    }
    child.terminate(PATIENCE);
    child.join().unwrap();
}

/// > What an actor puts aside is handled when it wants, in order, before what waits; the stash has an end.
#[test]
fn what_is_put_aside_is_handled_in_order_before_what_waits() {
    let node = Node::start().unwrap();
    let scribe = node.actor::<Scribe>(()).stash_capacity(5).start().unwrap();
    let (begun, go) = events(&node);
    tell(&scribe, Do::Stash(true));
    (0..3).for_each(|n| tell(&scribe, Do::Note(n)));
    tell(&scribe, Do::Stash(false));
    tell(&scribe, Do::Block(begun.clone(), go.clone()));
    tell(&scribe, Do::Stash(true));
    (3..9).for_each(|n| tell(&scribe, Do::Note(n)));
    tell(&scribe, Do::Stash(false));
    tell(&scribe, Do::Note(9));
    begun.wait_timeout(PATIENCE).unwrap();
    go.set().unwrap();
    assert_eq!(seen(&scribe), ["0", "1", "2", "stash full", "3", "4", "5", "6", "7", "9"]);
    // A drained actor handles what it has taken back; what is aside goes with it, and its callers are told.
    struct Aside(bool);
    impl callboard::Actor for Aside {
        type Message = Option<callboard::ReplyTo<u64>>;
        type Args = ();
        fn start(_: &mut callboard::Context<Self::Message>, (): ()) -> Result<Self, callboard::Failure> {
            Ok(Aside(true))
        }
        fn handle(
            &mut self,
            context: &mut callboard::Context<Self::Message>,
            message: Self::Message,
        ) -> Result<(), callboard::Failure> {
            match message {
                None => {
                    context.unstash();
                    self.0 = false;
                }
                Some(reply) if self.0 => context.stash(Some(reply))?,
                Some(reply) => reply.send(1)?,
            }
            Ok(())
        }
    }
    for is_taken_back in [true, false] {
        let aside = node.actor::<Aside>(()).start().unwrap();
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..3).map(|_| scope.spawn(|| aside.call_timeout(Some, PATIENCE))).collect();
            eventually("all are aside", || {
                let stats = aside.stats(PATIENCE).unwrap();
                (stats.handled, stats.waiting) == (3, 0)
            });
            if is_taken_back {
                aside.cast(None).unwrap();
            }
            aside.drain();
            let expected = if is_taken_back { Ok(1) } else { Err(AskError::Gone) };
            assert!(calls.into_iter().all(|call| call.join().unwrap() == expected));
        });
    }
}

/// > What an actor takes back from its stash as it starts is handled without anything else to come.
#[test]
fn what_is_taken_back_at_the_start_is_handled() {
    struct Early;
    impl callboard::Actor for Early {
        type Message = Event;
        type Args = Event;
        fn start(context: &mut callboard::Context<Event>, event: Event) -> Result<Self, callboard::Failure> {
            context.stash(event)?;
            context.unstash();
            Ok(Early)
        }
        fn handle(
            &mut self,
            _: &mut callboard::Context<Event>,
            event: Event,
        ) -> Result<(), callboard::Failure> {
            Ok(event.set()?)
        }
    }
    let node = Node::start().unwrap();
    let (event, _) = events(&node);
    let _early = node.actor::<Early>(event.clone()).start().unwrap();
    event.wait_timeout(PATIENCE).unwrap();
}

/// > A timer sends its message once or again and again; cancelled it sends nothing, and it goes with the actor.
#[test]
fn timers_send_their_messages_until_they_are_cancelled() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let scribe = node.actor::<Scribe>(()).start().unwrap();
        let begun = Instant::now();
        let ms = Duration::from_millis;
        tell(&scribe, Do::After(ms(40), 2));
        tell(&scribe, Do::After(ms(10), 1));
        tell(&scribe, Do::After(Duration::ZERO, 0));
        tell(&scribe, Do::After(Duration::MAX, 77));
        eventually("all have come", || seen(&scribe).len() == 3);
        assert!(begun.elapsed() >= ms(40));
        assert_eq!(seen(&scribe), ["0", "1", "2"]);
        tell(&scribe, Do::Every(ms(2), 5));
        eventually("it comes again", || seen(&scribe).len() >= 8);
        // One that is due waits in the mailbox behind this, and is cancelled before the actor comes to it.
        let (entered, go) = events(&node);
        tell(&scribe, Do::Block(entered.clone(), go.clone()));
        entered.wait_timeout(PATIENCE).unwrap();
        let from = Instant::now();
        tell(&scribe, Do::CancelAll);
        eventually("it has been due", || from.elapsed() > ms(20));
        go.set().unwrap();
        // Of four, one is for ever.
        eventually("cancelled", || seen(&scribe).contains(&"cancelled 2".to_owned()));
        let then = seen(&scribe);
        assert!(then.iter().filter(|line| *line == "5").count() >= 5);
        callboard_tests::pause(ms(20));
        assert_eq!(seen(&scribe), then);
        // What is missed is left out.
        tell(&scribe, Do::Every(ms(5), 6));
        let (entered, go) = events(&node);
        tell(&scribe, Do::Block(entered.clone(), go.clone()));
        entered.wait_timeout(PATIENCE).unwrap();
        callboard_tests::pause(ms(60));
        tell(&scribe, Do::Stop);
        let waiting = scribe.stats(PATIENCE).unwrap().waiting;
        assert_eq!(waiting, 1, "ticks take no room");
        go.set().unwrap();
        scribe.monitor().wait_timeout(PATIENCE).unwrap();
    }
    check.check();
}

/// > An actor with a thread of its own is like any other, and its thread goes with it.
#[test]
fn an_actor_with_its_own_thread_is_like_any_other() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let actors: Vec<_> =
            (0..20).map(|_| node.actor::<Scribe>(()).own_thread().start().unwrap()).collect();
        for (n, actor) in (0..).zip(&actors) {
            (0..100).for_each(|m| tell(actor, Do::Note(n * m)));
        }
        for (n, actor) in (0..).zip(&actors) {
            assert_eq!(seen(actor), (0..100).map(|m: u64| (n * m).to_string()).collect::<Vec<_>>());
        }
        let monitors: Vec<_> = actors.iter().map(ActorRef::monitor).collect();
        let kinds: [fn(&ActorRef<Tell>); 4] =
            [|a| a.stop(), |a| a.kill(), |a| tell(a, Do::Panic), |a| tell(a, Do::Fail)];
        actors.iter().take(12).zip(kinds.iter().cycle()).for_each(|(actor, end)| end(actor));
        assert!(monitors.iter().take(12).all(|monitor| monitor.wait_timeout(PATIENCE).is_some()));
        assert!(node.actor::<Refuses>(0).own_thread().start().is_err());
    }
    check.check();
}

/// > An actor in a process of its own is like any other; it ends with its process, which ends with it.
#[test]
fn an_actor_in_its_own_process_ends_with_it() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let start = || node.actor::<Scribe>(()).name("/named").own_process().start();
        for round in 0..rounds(10) {
            let actor = start().unwrap();
            let monitor = actor.monitor();
            let pid = actor.call_timeout(Tell::Pid, PATIENCE).unwrap();
            assert_ne!(pid, std::process::id());
            tell(&actor, Do::Note(3));
            assert_eq!(seen(&node.open("/named").unwrap()), ["3"]);
            assert!(matches!(start(), Err(StartActorError::Name(NameError::Taken { .. }))));
            let expected = match round % 4 {
                0 => {
                    actor.stop();
                    Exit::Normal
                }
                1 => {
                    tell(&actor, Do::Panic);
                    Exit::Panicked("as it was told".to_owned())
                }
                2 => {
                    send_signal(pid, 9);
                    Exit::Disconnected
                }
                _ => {
                    send_signal(pid, 19);
                    send_signal(pid, 9);
                    Exit::Disconnected
                }
            };
            assert_eq!(monitor.wait_timeout(PATIENCE).unwrap().exit, expected);
            eventually("its process is gone", || !is_running(pid));
        }
        for kind in 0..3 {
            let refused = node.actor::<Refuses>(kind).name("/refuses").own_process().start();
            match (kind, refused) {
                (0, Err(StartActorError::Failed(why))) => assert_eq!(why.to_string(), "not today"),
                (1, Err(StartActorError::Panicked(why))) => assert_eq!(why, "not even that"),
                (_, Err(StartActorError::Process(JoinError::Exited(7)))) => {}
                (_, other) => panic!("{other:?}"),
            }
            assert!(node.open::<ActorRef<()>>("/refuses").is_err());
        }
        // One that lives when its node ends ends with it.
        start().unwrap();
    }
    check.check();
}

struct Refuses;

impl callboard::Actor for Refuses {
    type Message = ();
    type Args = u32;
    fn start(_: &mut callboard::Context<()>, kind: u32) -> Result<Self, callboard::Failure> {
        match kind {
            0 => Err(callboard::Failure::new("not today")),
            1 => panic!("not even that"),
            _ => std::process::exit(7),
        }
    }
    fn handle(&mut self, _: &mut callboard::Context<()>, (): ()) -> Result<(), callboard::Failure> {
        Ok(())
    }
}

/// > An actor's figures are told also while its code is stuck, and from other processes.
#[test]
fn figures_are_told_also_while_the_actor_is_stuck() {
    let node = Node::start().unwrap();
    let here = node.actor::<Scribe>(()).start().unwrap();
    let (_child, there) = elsewhere(&node, "/there");
    for actor in [&here, &there] {
        let (begun, go) = events(&node);
        tell(actor, Do::Block(begun.clone(), go.clone()));
        begun.wait_timeout(PATIENCE).unwrap();
        (0..7).for_each(|n| tell(actor, Do::Note(n)));
        eventually("they wait", || actor.stats(PATIENCE).unwrap().waiting == 7);
        eventually("for some time", || actor.stats(PATIENCE).unwrap().oldest > Duration::from_millis(10));
        assert_eq!(actor.stats(PATIENCE).unwrap().handled, 1);
        go.set().unwrap();
        assert_eq!(seen(actor).len(), 7);
        let stats = actor.stats(PATIENCE).unwrap();
        assert_eq!((stats.waiting, stats.waiting_bytes, stats.handled), (0, 0, 9));
        eventually("its work counts", || actor.stats(PATIENCE).unwrap().busy > Duration::from_millis(5));
        let monitor = actor.monitor();
        actor.stop();
        monitor.wait_timeout(PATIENCE).unwrap();
        assert_eq!(actor.stats(PATIENCE), Err(AskError::Gone));
    }
}
