//! Turns of actors that are long.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use callboard::{Actor, ActorRef, Context, Failure, Node, ReplyTo, processor_count};
use callboard_tests::PATIENCE;

static HANDLED: AtomicU64 = AtomicU64::new(0);

/// Counts its messages.
struct Counts;

impl Actor for Counts {
    type Message = u64;
    type Args = ();

    fn start(_: &mut Context<u64>, (): ()) -> Result<Self, Failure> {
        Ok(Counts)
    }

    fn handle(&mut self, _: &mut Context<u64>, message: u64) -> Result<(), Failure> {
        HANDLED.fetch_add(message, SeqCst);
        Ok(())
    }
}

/// Casts in the middle of its turn, which does not end before that has been handled; says how long it took.
struct Long;

impl Actor for Long {
    type Message = (ActorRef<u64>, ReplyTo<Duration>);
    type Args = ();

    fn start(_: &mut Context<Self::Message>, (): ()) -> Result<Self, Failure> {
        Ok(Long)
    }

    fn handle(
        &mut self,
        _: &mut Context<Self::Message>,
        (other, reply): Self::Message,
    ) -> Result<(), Failure> {
        let (before, begun) = (HANDLED.load(SeqCst), Instant::now());
        other.cast(1)?;
        // Computes, and does not wait by any of our verbs: no other thread takes the place of this one.
        while HANDLED.load(SeqCst) == before && begun.elapsed() < PATIENCE {
            spin_loop();
        }
        Ok(reply.send(begun.elapsed())?)
    }
}

/// > What an actor sends in the middle of a long turn is handled meanwhile, if there is another core.
#[test]
fn what_is_sent_in_a_long_turn_is_handled_meanwhile() {
    if processor_count() == 1 {
        eprintln!("not tried: this process may use one processor alone");
        return;
    }
    let node = Node::start().unwrap();
    let counts = node.actor::<Counts>(()).start().unwrap();
    let long = node.actor::<Long>(()).start().unwrap();
    for round in 0..2_000_u64 {
        let took = long.call(|reply| (counts.clone(), reply)).unwrap();
        assert!(took < PATIENCE, "round {round}: it waited for the end of the turn");
        // The other threads look for more, are about to sleep, or sleep.
        let pause = Duration::from_micros(round % 64);
        let begun = Instant::now();
        while begun.elapsed() < pause {
            spin_loop();
        }
    }
}
