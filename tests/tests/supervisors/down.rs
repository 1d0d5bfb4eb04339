//! What those who watch an actor in its own process are told of its ends: that it is started again, or that its name is free.

use std::time::Duration;

use callboard::{
    Actor, ActorRef, ChildSpec, Context, Event, EventOptions, Exit, Failure, Group, GroupOptions,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

use crate::quiet;
use crate::watcher::{Child, End, Saw, Talk, Watch, Watcher, is_told, kept, seen, takes, third};
use crate::worker::{Work, apart, find, here, job, lines};

/// > Whoever watches a supervised actor in its own process is told, from any process, how it ended and whether it is started
/// > again: then its name is kept and finds the next life, else its name is free.
#[test]
fn whoever_watches_one_in_its_own_process_is_told_whether_it_is_started_again() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let (_process, there) = third(&node);
        let mut before = 0;
        for is_there in [false, true] {
            for restart in 0..3_u8 {
                for end in End::ALL {
                    let is_again = restart == 0 || (restart == 1 && end != End::Normal);
                    kept(&node, Child::Worker(restart), is_there, |_| {
                        let worker = find(&node, "kept");
                        let here = node.actor::<Watcher>(()).start().unwrap();
                        let monitor = worker.monitor();
                        // One of the three tries the name: two at once would meet there.
                        let tries = before % 3;
                        for (number, watcher) in [&here, &there].into_iter().enumerate() {
                            watcher.cast(Watch::Worker(worker.clone(), number == tries)).unwrap();
                            assert!(watcher.call_timeout(Watch::Seen, PATIENCE).is_ok());
                        }
                        end.of(&node, "kept");
                        let down = monitor.wait_timeout(PATIENCE).unwrap();
                        assert_eq!((down.restarts, down.in_place), (is_again, false), "{end:?} {down:?}");
                        assert!(end.is_so(&down.exit), "{end:?} {down:?}");
                        assert!(tries != 2 || takes(&node) != is_again, "{end:?}");
                        eventually("the other is told", || seen(&there).len() > before);
                        eventually("it is told", || seen(&here).len() == 1);
                        let told = [seen(&here), seen(&there)[before..].to_vec()].concat();
                        before += 1;
                        for saw in &told {
                            let Saw::Down(exit, restarts, is_free) = saw else { panic!("{saw:?}") };
                            assert!(end.is_so(exit) && *restarts == is_again, "{saw:?}");
                            assert!(is_free.is_none_or(|is_free| is_free != is_again), "{saw:?}");
                        }
                        if is_again {
                            let next = find(&node, "kept");
                            assert!(next != worker && next.call_timeout(Work::Pid, PATIENCE).is_ok());
                        } else {
                            assert!(node.open::<ActorRef<Work>>("/kept").is_err(), "{end:?}");
                        }
                        here.stop();
                    });
                }
            }
        }
    }
    check.check();
}

/// > A supervised actor's messages come before the news of its end, also when its process is killed; nothing of it comes after.
#[test]
fn messages_come_before_the_news_of_a_restart_and_nothing_after() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let mut random = Random::new();
        for is_there in [false, true] {
            kept(&node, Child::Talker, is_there, |_| {
                for round in 0..rounds(20) {
                    let (process, there) = third(&node);
                    let here = node.actor::<Watcher>(()).start().unwrap();
                    let talker: ActorRef<Talk> = node.open_timeout("/kept", PATIENCE).unwrap();
                    let pid = talker.call_timeout(Talk::Pid, PATIENCE).unwrap();
                    let watcher = if round % 2 == 0 { &here } else { &there };
                    watcher.cast(Watch::Talker(talker.clone())).unwrap();
                    assert!(seen(watcher).is_empty());
                    talker.cast(Talk::To(watcher.clone())).unwrap();
                    let is_killed = random.below(4) > 0;
                    if is_killed {
                        pause(random.time(Duration::from_millis(2)));
                        send_signal(pid, 9);
                    }
                    eventually("it is told", || is_told(watcher));
                    let next: ActorRef<Talk> = node.open_timeout("/kept", PATIENCE).unwrap();
                    next.call_timeout(Talk::Pid, PATIENCE).unwrap();
                    let mut seen = seen(watcher);
                    let last = seen.pop().unwrap();
                    let Saw::Down(exit, true, None) = last else { panic!("{last:?} after {}", seen.len()) };
                    assert!(seen.iter().cloned().eq((0..seen.len() as u64).map(Saw::Number)), "{seen:?}");
                    let has_said_all = matches!(exit, Exit::Failed(_));
                    assert!(has_said_all || (is_killed && exit == Exit::Signalled(9)), "{exit}");
                    assert!(!has_said_all || seen.len() == 1000);
                    here.stop();
                    process.terminate(PATIENCE);
                    process.join().unwrap();
                }
            });
        }
    }
    check.check();
}

/// > A watch of a supervised actor in its own process is told of a restart also if that is killed before it has heard of it.
#[test]
fn a_watch_is_told_of_a_restart_also_if_the_actor_never_heard_of_it() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        for is_there in [false, true] {
            kept(&node, Child::Worker(0), is_there, |_| {
                let mut before = None;
                for _ in 0..rounds(20) {
                    let worker = find(&node, "kept");
                    assert!(before.as_ref() != Some(&worker), "the name finds another");
                    let pid = worker.call_timeout(Work::Pid, PATIENCE).unwrap();
                    send_signal(pid, 19);
                    let monitors = [worker.monitor(), worker.monitor()];
                    send_signal(pid, 9);
                    for monitor in monitors {
                        let down = monitor.wait_timeout(PATIENCE).unwrap();
                        assert_eq!((down.exit, down.restarts), (Exit::Signalled(9), true));
                    }
                    before = Some(worker);
                }
            });
        }
    }
    check.check();
}

/// > When the supervisor's process is killed, those who watch its actors are told of an end, and the names are free.
#[test]
fn when_the_supervisors_process_is_killed_those_who_watch_are_told_of_an_end() {
    let check = LeakCheck::new();
    {
        let (node, _log) = job();
        let (_process, there) = third(&node);
        for round in 0..rounds(10) as usize {
            kept(&node, Child::Worker(0), true, |supervisor| {
                let worker = find(&node, "kept");
                let monitor = worker.monitor();
                there.cast(Watch::Worker(worker.clone(), round % 4 < 2)).unwrap();
                assert_eq!(seen(&there).len(), round);
                if round % 2 == 0 {
                    // It ends first, and its supervisor can't say what comes of it.
                    let supervisor = supervisor.unwrap().pid();
                    send_signal(supervisor, 19);
                    eventually("it is stopped", || stop_state(supervisor) == Some('T'));
                    send_signal(worker.call_timeout(Work::Pid, PATIENCE).unwrap(), 9);
                }
                send_signal(supervisor.unwrap().pid(), 9);
                let down = monitor.wait_timeout(PATIENCE).unwrap();
                assert_eq!((down.exit, down.restarts), (Exit::Disconnected, false));
                assert!(round % 4 < 2 || takes(&node));
                eventually("the other is told", || seen(&there).len() == round + 1);
                let is_free = (round % 4 < 2).then_some(true);
                assert_eq!(seen(&there)[round], Saw::Down(Exit::Disconnected, false, is_free));
            });
        }
    }
    check.check();
}

/// Starts at once the first time, later when it may.
struct Slow;

impl Actor for Slow {
    type Message = Work;
    type Args = (Event, Event);

    fn start(context: &mut Context<Work>, (again, go): (Event, Event)) -> Result<Self, Failure> {
        let log: callboard::List<String> =
            context.node().ok_or_else(|| Failure::new("no node"))?.open("/log")?;
        log.push(std::process::id().to_string())?;
        if again.is_set()? {
            go.wait()?;
        }
        again.set()?;
        Ok(Slow)
    }

    fn handle(&mut self, _: &mut Context<Work>, _: Work) -> Result<(), Failure> {
        Ok(())
    }
}

/// > An actor in its own process that is killed while it starts again is started once more, and whoever watches it is told so.
#[test]
fn one_that_is_killed_while_it_starts_again_is_told_of_like_any_other() {
    let check = LeakCheck::new();
    {
        let (node, log) = job();
        let events = [node.anonymous(EventOptions::new()), node.anonymous(EventOptions::new())];
        let [again, go]: [Event; 2] = events;
        let args = (again, go.clone());
        let child = ChildSpec::actor("slow", move |node| {
            node.actor::<Slow>(args.clone()).name("/kept").own_process()
        });
        let supervisor = node.supervise(&quiet().child(child)).unwrap();
        for starts in 1..5 {
            let slow: ActorRef<Work> = node.open_timeout("/kept", PATIENCE).unwrap();
            let monitor = slow.monitor();
            eventually("its start runs", || lines(&log).len() == starts);
            send_signal(lines(&log)[starts - 1].parse().unwrap(), 9);
            let down = monitor.wait_timeout(PATIENCE).unwrap();
            assert_eq!((down.exit, down.restarts), (Exit::Signalled(9), true), "{starts}");
        }
        go.set().unwrap();
        eventually("it runs", || crate::state(&supervisor, "slow") == Some(callboard::ChildState::Running));
        let slow: ActorRef<Work> = node.open_timeout("/kept", PATIENCE).unwrap();
        let monitor = slow.monitor();
        supervisor.terminate("slow").unwrap();
        let down = monitor.wait_timeout(PATIENCE).unwrap();
        assert_eq!((down.exit, down.restarts), (Exit::Shutdown, false));
        assert!(takes(&node));
        supervisor.stop();
        supervisor.wait_timeout(PATIENCE).unwrap();
    }
    check.check();
}

/// > While the supervisor's process is stopped nobody is told of an end, as it is not known whether that is a restart.
#[test]
fn while_the_supervisor_is_stopped_nobody_is_told() {
    let (node, _log) = job();
    let check = LeakCheck::new();
    kept(&node, Child::Worker(0), true, |supervisor| {
        let supervisor = supervisor.unwrap().pid();
        let worker = find(&node, "kept");
        let monitor = worker.monitor();
        let pid = worker.call_timeout(Work::Pid, PATIENCE).unwrap();
        send_signal(supervisor, 19);
        eventually("it is stopped", || stop_state(supervisor) == Some('T'));
        send_signal(pid, 9);
        eventually("it is known to have ended", || worker.has_ended());
        assert_eq!(monitor.wait_timeout(Duration::from_millis(50)), None);
        send_signal(supervisor, 18);
        let down = monitor.wait_timeout(PATIENCE).unwrap();
        assert_eq!((down.exit, down.restarts), (Exit::Signalled(9), true));
    });
    check.check();
}

/// > A member of a group that is started again in another process leaves the group; one that is started again in place stays.
#[test]
fn a_member_that_is_started_again_elsewhere_leaves_its_group() {
    let (node, _log) = job();
    let spec = quiet().child(apart("apart")).child(here("beside"));
    let supervisor = node.supervise(&spec).unwrap();
    let group: Group<Work> = node.create("/workers", GroupOptions::new()).unwrap();
    let [apart, beside] = ["apart", "beside"].map(|name| find(&node, name));
    group.join(&apart).unwrap();
    group.join(&beside).unwrap();
    let monitors = [apart.monitor(), beside.monitor()];
    for worker in [&apart, &beside] {
        worker.cast(Work::Panic).unwrap();
    }
    let downs = monitors.map(|monitor| monitor.wait_timeout(PATIENCE).unwrap());
    assert_eq!(downs.map(|down| (down.restarts, down.in_place)), [(true, false), (true, true)]);
    eventually("one has left", || group.members().unwrap() == std::slice::from_ref(&beside));
    assert!(beside.call_timeout(Work::Pid, PATIENCE).is_ok());
    assert_eq!(group.members().unwrap(), std::slice::from_ref(&beside));
    supervisor.stop();
    supervisor.wait_timeout(PATIENCE).unwrap();
}
