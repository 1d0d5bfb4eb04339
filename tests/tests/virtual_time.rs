//! Actors and supervisors by a time that the test moves.

use std::time::{Duration, Instant};

use callboard::testing::{PATIENCE, Probe, eventually, job};
use callboard::{
    Actor, ActorRef, Backoff, ChildSpec, ChildState, Context, Exit, Failure, SupervisorEnd, SupervisorSpec,
    TimerId,
};

callboard::test_door!();

const HOUR: Duration = Duration::from_secs(3600);

/// Tells of its timers.
struct Timed {
    tells: ActorRef<(u64, u64)>,
    every: Option<TimerId>,
    count: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
enum Do {
    Once(u64),
    Every,
    Ticked,
    Cancel,
    Fail,
}

impl Actor for Timed {
    type Message = Do;
    type Args = ActorRef<(u64, u64)>;
    fn start(context: &mut Context<Do>, tells: ActorRef<(u64, u64)>) -> Result<Self, Failure> {
        context.cast_after(2 * HOUR, Do::Once(2));
        context.cast_after(HOUR, Do::Once(1));
        Ok(Timed { tells, every: None, count: 0 })
    }
    fn handle(&mut self, context: &mut Context<Do>, what: Do) -> Result<(), Failure> {
        match what {
            Do::Once(number) => self.tells.cast((0, number))?,
            Do::Every => self.every = Some(context.cast_every(HOUR, || Do::Ticked)),
            Do::Ticked => {
                self.count += 1;
                self.tells.cast((1, self.count))?;
            }
            Do::Cancel => assert!(self.every.take().is_some_and(|timer| context.cancel(timer))),
            Do::Fail => return Err(Failure::new("as it was told")),
        }
        Ok(())
    }
    fn stopped(&mut self, _: &mut Context<Do>, _: &Exit) {}
}

/// > By virtual time days of timers pass in a moment, each in its turn, and none before its time.
#[test]
fn days_of_timers_pass_in_a_moment() {
    let begun = Instant::now();
    let job = job().virtual_time();
    let probe = Probe::<(u64, u64)>::start(&job);
    let timed = job.actor::<Timed>(probe.actor().clone()).start().unwrap();
    job.advance(HOUR - Duration::from_nanos(1));
    assert_eq!(probe.try_next(), None);
    job.advance(Duration::from_nanos(1));
    assert_eq!(probe.expect(PATIENCE), (0, 1));
    timed.cast(Do::Every).unwrap();
    job.advance(100 * HOUR);
    let mut told: Vec<(u64, u64)> = (0..101).map(|_| probe.expect(PATIENCE)).collect();
    // The other one comes beside the first of those that come every hour.
    told.retain(|told| *told != (0, 2));
    assert_eq!(told, (1..=100).map(|n| (1, n)).collect::<Vec<_>>());
    timed.cast(Do::Cancel).unwrap();
    job.advance(1000 * HOUR);
    assert_eq!(probe.try_next(), None);
    assert!(begun.elapsed() < HOUR);
    timed.stop();
}

/// > By virtual time a supervisor's window slides and its back-off passes as fast as the test wants.
#[test]
fn a_supervisors_window_and_back_off_go_by_virtual_time() {
    let job = job().virtual_time();
    let probe = Probe::<(u64, u64)>::start(&job);
    let tells = probe.actor().clone();
    let backoff = Backoff::new(10 * HOUR, 20 * HOUR).jitter(0.0).reset_after(1000 * HOUR);
    let child = ChildSpec::actor("timed", move |node| node.actor::<Timed>(tells.clone()).name("/timed"));
    let spec = SupervisorSpec::new().quiet().max_restarts(2, 24 * HOUR).child(child.backoff(backoff));
    let supervisor = job.supervise(&spec).unwrap();
    let timed: ActorRef<Do> = job.open("/timed").unwrap();
    let is = |state: ChildState| supervisor.children().iter().all(|child| child.state == state);
    let fails = || {
        timed.cast(Do::Fail).unwrap();
        eventually("it has failed", || is(ChildState::Restarting));
    };
    // Twice within the window, with 10 and 20 hours of waiting.
    fails();
    job.advance(10 * HOUR - Duration::from_nanos(1));
    assert!(is(ChildState::Restarting));
    job.advance(Duration::from_nanos(1));
    eventually("it runs", || is(ChildState::Running));
    fails();
    job.advance(20 * HOUR);
    eventually("it runs", || is(ChildState::Running));
    // The first lies 30 hours back by now: another is within bounds, and one more is not.
    fails();
    job.advance(20 * HOUR);
    eventually("it runs", || is(ChildState::Running));
    fails();
    assert_eq!(supervisor.end(), None);
    job.advance(20 * HOUR);
    eventually("it runs", || is(ChildState::Running));
    for _ in 0..2 {
        let _ = timed.cast(Do::Fail);
        eventually("it has failed", || is(ChildState::Restarting) || supervisor.end().is_some());
        if supervisor.end().is_none() {
            // Started again by hand, without the wait.
            supervisor.terminate("timed").unwrap();
            supervisor.restart("timed").unwrap();
            job.open::<ActorRef<Do>>("/timed").unwrap().cast(Do::Fail).unwrap();
        }
    }
    eventually("it gives up", || supervisor.end() == Some(SupervisorEnd::TooManyRestarts));
}
