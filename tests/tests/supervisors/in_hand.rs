//! The message that an actor had in hand when it failed.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use callboard::{
    Actor, ActorRef, AskError, ChildSpec, Context, Failure, InHand, Node, ReplyTo, Restart, Supervisor,
};
use callboard_tests::{PATIENCE, eventually};
use serde::{Deserialize, Serialize};

use crate::quiet;

/// Fails at some numbers, the first times.
struct Fails(Vec<u64>);

#[derive(Debug, Serialize, Deserialize)]
enum Number {
    /// Panics as long as that many panics have not been.
    At(u64, u32),
    Error,
    Call(ReplyTo<u64>),
    Seen(ReplyTo<Vec<u64>>),
}

static PANICS: AtomicU32 = AtomicU32::new(0);

impl Actor for Fails {
    type Message = Number;
    type Args = ();
    fn start(_: &mut Context<Number>, (): ()) -> Result<Self, Failure> {
        Ok(Fails(Vec::new()))
    }
    fn handle(&mut self, _: &mut Context<Number>, message: Number) -> Result<(), Failure> {
        match message {
            Number::At(_, times) if PANICS.load(SeqCst) < times => {
                PANICS.fetch_add(1, SeqCst);
                panic!("as it was told");
            }
            Number::At(number, _) => self.0.push(number),
            Number::Error => return Err(Failure::new("always")),
            Number::Call(reply) => {
                drop(reply);
                return Err(Failure::new("without an answer"));
            }
            Number::Seen(reply) => reply.send(self.0.clone())?,
        }
        Ok(())
    }
}

fn seen(actor: &ActorRef<Number>) -> Vec<u64> {
    actor.call_timeout(Number::Seen, PATIENCE).unwrap()
}

fn supervised(node: &Node, in_hand: InHand<Number>) -> (Supervisor, ActorRef<Number>) {
    let child = ChildSpec::actor("fails", move |node| {
        node.actor::<Fails>(()).name("/fails").in_hand(in_hand.clone())
    });
    let supervisor = node.supervise(&quiet().child(child)).unwrap();
    (supervisor, node.open("/fails").unwrap())
}

/// A sender in another process: what it sends comes encoded.
fn sends(_: &Node, actor: ActorRef<Number>) {
    actor.cast(Number::At(1, 3)).unwrap();
    actor.cast(Number::At(2, 0)).unwrap();
    actor.call_timeout(Number::Seen, PATIENCE).unwrap();
}

/// > The message in hand when an actor fails is handled again, or goes to whoever gets dead letters, as asked, in its old place.
#[test]
fn the_message_in_hand_is_handled_again_or_goes_elsewhere() {
    let node = Node::start().unwrap();
    let letters = node.actor::<Fails>(()).start().unwrap();
    for is_remote in [false, true] {
        PANICS.store(0, SeqCst);
        // Three panics, and the fourth time it goes well.
        let (supervisor, actor) = supervised(&node, InHand::again(3));
        if is_remote {
            node.spawn("sends", sends, actor.clone()).unwrap().join().unwrap();
        } else {
            actor.cast(Number::At(1, 3)).unwrap();
            actor.cast(Number::At(2, 0)).unwrap();
        }
        assert_eq!(seen(&actor), [1, 2]);
        assert_eq!(actor.stats(PATIENCE).unwrap().restarts, 3);
        // One that always fails goes elsewhere in the end.
        supervisor.stop();
        supervisor.wait_timeout(PATIENCE).unwrap();
        let (supervisor, actor) = supervised(&node, InHand::again(2).then(letters.clone()));
        PANICS.store(0, SeqCst);
        actor.cast(Number::At(5, 3)).unwrap();
        actor.cast(Number::At(6, 0)).unwrap();
        assert_eq!(seen(&actor), [6]);
        assert_eq!(actor.stats(PATIENCE).unwrap().restarts, 3);
        eventually("the letter has come", || seen(&letters).last() == Some(&5));
        // What moves can't be kept.
        assert_eq!(actor.call_timeout(Number::Call, PATIENCE), Err(AskError::Gone));
        assert_eq!(seen(&actor), []);
        supervisor.stop();
        supervisor.wait_timeout(PATIENCE).unwrap();
        // Without a supervisor too.
        let alone = node.actor::<Fails>(()).in_hand(InHand::dead_letter(letters.clone())).start().unwrap();
        PANICS.store(0, SeqCst);
        alone.cast(Number::At(9, 1)).unwrap();
        eventually("the letter has come", || seen(&letters).last() == Some(&9));
        // Nor when its supervisor does not start it again.
        let to = letters.clone();
        let temporary = ChildSpec::actor("once", move |node| {
            node.actor::<Fails>(()).name("/once").in_hand(InHand::again(5).then(to.clone()))
        });
        let supervisor = node.supervise(&quiet().child(temporary.restart(Restart::Temporary))).unwrap();
        PANICS.store(0, SeqCst);
        node.open::<ActorRef<Number>>("/once").unwrap().cast(Number::At(11, 1)).unwrap();
        eventually("the letter has come", || seen(&letters).last() == Some(&11));
        supervisor.stop();
        supervisor.wait_timeout(PATIENCE).unwrap();
        let poisoned = node.actor::<Fails>(()).in_hand(InHand::again(1)).start().unwrap();
        poisoned.cast(Number::Error).unwrap();
        eventually("it has ended", || poisoned.has_ended());
    }
}
