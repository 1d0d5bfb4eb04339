//! Barriers when somebody is killed, stopped, or gives up.

use std::time::{Duration, Instant};

use callboard::testing::{job, kill_self};
use callboard::{
    Barrier, BarrierError, BarrierOptions, BrokenBy, Counter, CounterOptions, Event, EventOptions, Node,
    ObjectError, Process, Queue, QueueOptions,
};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

const SHORT: Duration = Duration::from_millis(30);

type Told = Result<u64, BrokenBy>;

fn barrier(node: &Node, parties: usize) -> Barrier {
    node.anonymous(BarrierOptions::new(parties).unwrap())
}

/// What came of a wait, as a value that travels.
#[track_caller]
fn told(outcome: Result<usize, BarrierError>) -> Told {
    match outcome {
        Ok(number) => Ok(number as u64),
        Err(BarrierError::Broken(by)) => Err(by),
        Err(other) => panic!("{other}"),
    }
}

fn waits(_: &Node, barrier: Barrier) -> Told {
    told(barrier.wait())
}

fn owns(node: &Node, parties: usize) {
    let _barrier: Barrier = node.create("/theirs", BarrierOptions::new(parties).unwrap()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn stop(pid: u32) {
    send_signal(pid, 19);
    eventually("it is stopped", || stop_state(pid) == Some('T'));
}

/// Each of so many passes when all have come.
#[track_caller]
fn all_pass(node: &Node, barrier: &Barrier, parties: usize) {
    let others: Vec<_> = (1..parties).map(|_| node.spawn("waits", waits, barrier.clone()).unwrap()).collect();
    let own = told(barrier.wait_timeout(PATIENCE));
    let mut numbers: Vec<u64> = others.iter().map(|other| other.join().unwrap().unwrap()).collect();
    numbers.push(own.unwrap());
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..parties as u64));
}

/// > A party that is killed while it waits, stopped before or not, breaks the barrier, with that reason for all who wait or come; it is not counted
/// > any more.
#[test]
fn a_killed_party_breaks_the_barrier() {
    let job = job();
    let _owner = job.spawn("owner", owns, 3).unwrap();
    let theirs: Barrier = job.open_timeout("/theirs", PATIENCE).unwrap();
    for barrier in [barrier(&job, 3), theirs] {
        for (stopped, others_wait) in [(false, true), (true, true), (false, false), (true, false)] {
            let victim = job.process("victim").stderr_null().spawn(waits, barrier.clone()).unwrap();
            let other = others_wait.then(|| job.spawn("other", waits, barrier.clone()).unwrap());
            let there = 1 + usize::from(others_wait);
            eventually("they wait", || barrier.waiting() == Ok(there));
            if stopped {
                stop(victim.pid());
                assert_eq!(barrier.waiting(), Ok(there), "a stopped one waits");
            }
            send_signal(victim.pid(), 9);
            assert!(victim.join().is_err());
            if let Some(other) = other {
                assert_eq!(other.join_timeout(PATIENCE).unwrap(), Err(BrokenBy::PartyEnded));
            }
            eventually("the barrier is broken", || barrier.is_broken() == Ok(true));
            let begun = Instant::now();
            assert_eq!(told(barrier.wait_timeout(PATIENCE)), Err(BrokenBy::PartyEnded));
            assert!(begun.elapsed() < PATIENCE);
            assert_eq!((barrier.waiting(), barrier.broken_by()), (Ok(0), Ok(Some(BrokenBy::PartyEnded))));
            barrier.reset().unwrap();
            all_pass(&job, &barrier, 3);
        }
    }
}

/// > The action is run by the party that comes last; if it panics, or its process ends in it, however, the barrier breaks with that reason, and if
/// > it takes longer than another waits, by that timeout.
#[test]
fn an_action_that_does_not_return_breaks_the_barrier() {
    fn acts(_: &Node, (barrier, (there, go), how): (Barrier, (Event, Event), u32)) -> Told {
        let action = || match how {
            0 => panic!("as it is meant to"),
            1 => kill_self(),
            2 => std::process::exit(3),
            3 => {
                send_signal(std::process::id(), 19);
                pause(Duration::from_millis(1));
            }
            _ => {}
        };
        there.set().unwrap();
        go.wait().unwrap();
        told(barrier.wait_with(action))
    }
    let job = job();
    let barrier = barrier(&job, 3);
    for how in 0..5 {
        // All are there before the second's time begins.
        let events: (Event, Event) = (job.anonymous(EventOptions::new()), job.anonymous(EventOptions::new()));
        let args = (barrier.clone(), events.clone(), how);
        let last = job.process("last").stderr_null().spawn(acts, args).unwrap();
        assert_eq!(events.0.wait_timeout(PATIENCE), Ok(true));
        let first = job.spawn("first", waits, barrier.clone()).unwrap();
        eventually("one waits", || barrier.waiting() == Ok(1));
        let second = std::thread::spawn({
            let barrier = barrier.clone();
            // Long enough for the last to come, and for an action that is stopped to be late.
            move || told(barrier.wait_timeout(if how == 3 { Duration::from_secs(5) } else { PATIENCE }))
        });
        eventually("two wait", || barrier.waiting() == Ok(2));
        events.1.set().unwrap();
        let expected = match how {
            0 => Err(BrokenBy::ActionPanicked),
            1 | 2 => Err(BrokenBy::PartyEnded),
            3 => Err(BrokenBy::TimedOut),
            _ => Ok(()),
        };
        assert_eq!(second.join().unwrap().map(drop), expected, "{how}");
        assert_eq!(first.join_timeout(PATIENCE).unwrap().map(drop), expected, "{how}");
        if how == 3 {
            eventually("it is stopped in its action", || stop_state(last.pid()) == Some('T'));
            send_signal(last.pid(), 18);
        }
        match last.join_timeout(PATIENCE) {
            Ok(told) => assert_eq!(told.map(drop), expected, "{how}"),
            Err(error) => assert!(how < 3, "{how}: {error}"),
        }
        barrier.reset().unwrap();
    }
    all_pass(&job, &barrier, 3);
}

/// > A timeout at a barrier is kept with the owner stopped: the wait ends a second later at most, and breaks the barrier when its owner goes on.
#[test]
fn a_timeout_is_kept_with_the_owner_stopped() {
    let job = job();
    let owner = job.spawn("owner", owns, 2).unwrap();
    let barrier: Barrier = job.open_timeout("/theirs", PATIENCE).unwrap();
    assert_eq!(barrier.parties(), Ok(2));
    let begun = Instant::now();
    assert_eq!(told(barrier.wait_timeout(SHORT)), Err(BrokenBy::TimedOut));
    assert!(begun.elapsed() >= SHORT);
    barrier.reset().unwrap();
    stop(owner.pid());
    for _ in 0..2 {
        assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::Unresponsive));
        assert_eq!(
            barrier.wait_with_timeout(|| panic!("nobody said so"), SHORT),
            Err(BarrierError::Unresponsive)
        );
    }
    send_signal(owner.pid(), 18);
    assert_eq!((barrier.broken_by(), barrier.waiting()), (Ok(Some(BrokenBy::TimedOut)), Ok(0)));
    barrier.reset().unwrap();
    all_pass(&job, &barrier, 2);
}

/// > A party that is stopped while it waits is counted, and holds nobody up; one that does not come costs the others their timeout.
#[test]
fn a_stopped_party_is_counted_and_holds_nobody_up() {
    let job = job();
    let barrier = barrier(&job, 2);
    let stopped = job.spawn("stopped", waits, barrier.clone()).unwrap();
    eventually("it waits", || barrier.waiting() == Ok(1));
    stop(stopped.pid());
    assert_eq!(told(barrier.wait_timeout(PATIENCE)), Ok(1));
    assert_eq!(told(barrier.wait_timeout(SHORT)), Err(BrokenBy::TimedOut));
    send_signal(stopped.pid(), 18);
    assert_eq!(stopped.join_timeout(PATIENCE).unwrap(), Ok(0), "it had passed");
}

/// > The death of a barrier's owner reaches everyone who waits there, or acts.
#[test]
fn the_end_of_the_owner_is_told() {
    fn sees_the_end(_: &Node, (barrier, acts): (Barrier, bool)) -> bool {
        let outcome = if acts { barrier.wait_with(|| ()) } else { barrier.wait() };
        outcome == Err(BarrierError::Disconnected)
    }
    let job = job();
    for stopped in [false, true] {
        let owner = job.process("owner").stderr_null().spawn(owns, 5).unwrap();
        let barrier: Barrier = job.open_timeout("/theirs", PATIENCE).unwrap();
        let spawn = |acts| job.spawn("sees the end", sees_the_end, (barrier.clone(), acts)).unwrap();
        let children: Vec<Process<bool>> = [false, true].into_iter().map(spawn).collect();
        let thread = std::thread::spawn({
            let barrier = barrier.clone();
            move || barrier.wait_timeout(PATIENCE)
        });
        eventually("all wait", || barrier.waiting() == Ok(3));
        if stopped {
            stop(owner.pid());
        }
        send_signal(owner.pid(), 9);
        assert_eq!(thread.join().unwrap(), Err(BarrierError::Disconnected));
        assert!(children.iter().all(|child| child.join_timeout(PATIENCE).unwrap()));
        assert_eq!(barrier.reset(), Err(ObjectError::Disconnected));
        assert!(owner.join().is_err());
    }
}

/// Goes through the barrier until it breaks; how often it went.
fn goes_round(_: &Node, (barrier, came, acted): (Barrier, Counter, Counter)) -> (u64, BrokenBy) {
    for round in 0.. {
        // Nobody is more than a round ahead, or the numbers would not be these.
        assert!(came.add(1).unwrap() > 3 * round);
        let act = || assert_eq!(acted.add(1), Ok(round + 1));
        if let Err(by) = told(barrier.wait_with(act)) {
            return (round as u64, by);
        }
        assert!(came.get().unwrap() >= 3 * (round + 1));
    }
    unreachable!("it is broken at some time")
}

/// > Whichever party of a barrier is killed, at any moment, in its action too: the others are told, in the same round or with one between them, and
/// > after a reset it is as new.
#[test]
fn parties_killed_at_random_leave_nobody_waiting() {
    let job = job();
    let mut random = Random::new();
    let barrier = barrier(&job, 3);
    for _ in 0..rounds(60) {
        let (came, acted): (Counter, Counter) =
            (job.anonymous(CounterOptions::new()), job.anonymous(CounterOptions::new()));
        let spawn = |_| {
            let process = job.process("goes round").stderr_null();
            process.spawn(goes_round, (barrier.clone(), came.clone(), acted.clone())).unwrap()
        };
        let mut children: Vec<_> = (0..3).map(spawn).collect();
        eventually("they go round", || acted.get().unwrap() > 2);
        pause(random.time(Duration::from_millis(3)));
        let victim = children.swap_remove(random.below(3) as usize);
        if random.below(3) == 0 {
            send_signal(victim.pid(), 19);
            pause(random.time(Duration::from_micros(500)));
        }
        send_signal(victim.pid(), 9);
        assert!(victim.join().is_err());
        // One that was killed before it came is nobody's party: the others would wait for it.
        eventually("the others are told, or both wait for one that never comes", || {
            barrier.is_broken() == Ok(true) || barrier.waiting() == Ok(2)
        });
        if barrier.waiting() == Ok(2) {
            barrier.abort().unwrap();
        }
        let ends: Vec<(u64, BrokenBy)> =
            children.iter().map(|child| child.join_timeout(PATIENCE).unwrap()).collect();
        assert!(ends[0].0.abs_diff(ends[1].0) <= 1, "{ends:?}");
        assert!(
            ends.iter().all(|(_, by)| matches!(by, BrokenBy::PartyEnded | BrokenBy::Aborted)),
            "{ends:?}"
        );
        let went = ends[0].0.max(ends[1].0) as i64;
        let acted = acted.get().unwrap();
        assert!((went..=went + 1).contains(&acted), "{acted} actions in {went} rounds");
        barrier.reset().unwrap();
        assert_eq!((barrier.waiting(), barrier.broken_by()), (Ok(0), Ok(None)));
    }
    all_pass(&job, &barrier, 3);
}

/// > A barrier is found by name and travels as a value; its parties and its own timeout are the same everywhere.
#[test]
fn a_barrier_travels() {
    fn sees(node: &Node, line: Queue<Barrier>) -> (u64, Told) {
        let barrier = line.get().unwrap();
        let same: Barrier = node.open("/barrier").unwrap();
        assert_eq!(same.parties(), barrier.parties());
        (same.parties().unwrap() as u64, told(same.wait()))
    }
    let job = job();
    let options = BarrierOptions::new(7).unwrap().timeout(SHORT);
    let barrier: Barrier = job.create("/barrier", options).unwrap();
    let line: Queue<Barrier> = job.anonymous(QueueOptions::new());
    line.put(barrier).unwrap();
    let child = job.spawn("sees", sees, line).unwrap();
    assert_eq!(child.join().unwrap(), (7, Err(BrokenBy::TimedOut)));
}
