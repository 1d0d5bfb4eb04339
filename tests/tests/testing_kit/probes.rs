//! Probes: what they keep, what they say, and whom they outlive.

use callboard::testing::{PATIENCE, Probe, eventually, job, kill};
use callboard::{Actor, ActorRef, Context, Exit, Failure, JoinError, Node, ReplyTo};
use serde::{Deserialize, Serialize};

use super::{alone, fails, ms};

#[derive(Debug, Serialize, Deserialize)]
enum Say {
    Number(u64),
    Ask(ReplyTo<u64>),
}

/// Says numbers to another, from wherever it lives, and then stops or fails.
struct Speaker(ActorRef<Say>);

#[derive(Debug, Serialize, Deserialize)]
enum Speak {
    Numbers(u64),
    Fail,
}

impl Actor for Speaker {
    type Message = Speak;
    type Args = ActorRef<Say>;

    fn start(_: &mut Context<Speak>, to: ActorRef<Say>) -> Result<Self, Failure> {
        Ok(Self(to))
    }

    fn handle(&mut self, context: &mut Context<Speak>, message: Speak) -> Result<(), Failure> {
        match message {
            Speak::Numbers(end) => {
                for n in 0..end {
                    self.0.cast(Say::Number(n)).map_err(|error| Failure::new(error.to_string()))?;
                }
                context.stop();
                Ok(())
            }
            Speak::Fail => Err(Failure::new("as it was told")),
        }
    }
}

/// > A probe keeps what it gets in the order sent, from whatever process, and tells how another ended after its last message.
#[test]
fn a_probe_keeps_messages_in_order_and_then_the_end() {
    let _alone = alone();
    let job = job();
    let probe = Probe::<Say>::named(&job, "/probe");
    assert_eq!(&job.open::<ActorRef<Say>>("/probe").unwrap(), probe.actor());
    for round in 0..20 {
        let plan = job.actor::<Speaker>(probe.actor().clone());
        let speaker = if round % 2 == 0 { plan } else { plan.own_process() }.start().unwrap();
        if round % 4 < 2 {
            probe.monitor(&speaker);
            speaker.cast(Speak::Numbers(200)).unwrap();
            assert_eq!(probe.expect_down(&speaker).exit, Exit::Normal);
            for n in 0..200 {
                assert!(matches!(probe.try_next(), Some(Say::Number(m)) if m == n), "{n} in round {round}");
            }
        } else {
            probe.monitor(&speaker);
            speaker.cast(Speak::Fail).unwrap();
            assert_eq!(probe.expect_down(&speaker).exit, Exit::Failed(Failure::new("as it was told")));
        }
        assert!(probe.try_next().is_none());
        // Its end has been told: from now on there is none.
        assert!(matches!(probe.expect_down(&speaker).exit, Exit::NotThere | Exit::Disconnected));
    }
    probe.expect_nothing(ms(1));
}

/// > A probe answers what it is asked through the test, and outlives whoever sent to it, also if that is killed.
#[test]
fn a_probe_answers_and_outlives_a_killed_sender() {
    let _alone = alone();
    let job = job();
    let probe = Probe::<Say>::start(&job);
    let asks = |_: &Node, probe: ActorRef<Say>| probe.call(Say::Ask).map_err(Failure::from);
    let child = job.spawn("asks", asks, probe.actor().clone()).unwrap();
    match probe.expect(PATIENCE) {
        Say::Ask(reply) => reply.send(42).unwrap(),
        other => panic!("{other:?}"),
    }
    assert_eq!(child.join().unwrap(), Ok(42));

    let speaker = job.actor::<Speaker>(probe.actor().clone()).own_process().start().unwrap();
    let stuck = job.process("asks").stderr_null().spawn(asks, probe.actor().clone()).unwrap();
    probe.monitor(&speaker);
    let asked = probe.expect_that("a question", |say| matches!(say, Say::Ask(_)));
    kill(stuck.pid());
    assert!(matches!(stuck.join(), Err(JoinError::Signalled { signal: 9, .. })));
    drop(asked);
    speaker.cast(Speak::Numbers(1)).unwrap();
    probe.expect_that("a number", |say| matches!(say, Say::Number(0)));
    assert_eq!(probe.expect_down(&speaker).exit, Exit::Normal);
}

/// > A probe that gets something else than was expected, or nothing, says what was expected and what came.
#[test]
fn a_probe_says_what_was_expected_and_what_came() {
    let _alone = alone();
    let job = job();
    let probe = Probe::<Say>::start(&job).patience(ms(10));
    let text = fails(|| probe.expect(ms(10)));
    assert!(text.contains("expected a message, and that did not come within 10ms"), "{text}");
    assert!(text.contains("tests/testing_kit/probes.rs:"), "{text}");
    let text = fails(|| probe.expect_that("a three", |_| true));
    assert!(text.contains("expected a three, and that did not come within 10ms"), "{text}");
    let text = fails(|| probe.expect_down(probe.actor()));
    assert!(text.contains("expected the end of ActorRef<"), "{text}");

    let say = |n| probe.actor().cast(Say::Number(n)).unwrap();
    let await_it = || eventually("it has come", || format!("{probe:?}").contains("1 wait"));
    say(4);
    await_it();
    let text = fails(|| probe.expect_that("a three", |say| matches!(say, Say::Number(3))));
    assert!(text.contains("expected a three and got Number(4)"), "{text}");
    say(5);
    await_it();
    let text = fails(|| probe.expect_nothing(PATIENCE));
    assert!(text.contains("expected nothing and got Number(5)"), "{text}");

    // One that has ended is waited for no longer.
    probe.actor().kill();
    let text = fails(|| probe.expect(PATIENCE));
    assert!(text.contains("has ended: it was killed"), "{text}");
    let text = fails(|| probe.expect_nothing(PATIENCE));
    assert!(text.contains("has ended: it was killed"), "{text}");
}
