//! Supervisors in seeded schedules: of any kind and with any children, who start slowly, are deaf, and die alone or with their node.
//!
//! News of starts and ends come in any order and as late as chance will have it; that of one child in its own. The supervisor's node
//! stops and goes on, so that its timers come late.

use super::super::backoff::Backoff;
use super::super::effect::How;
use super::super::spec::{AutoShutdown, Plan, Restart, Settings, Shutdown, Strategy};
use super::{LONGEST, Scene, Step, ms};
use crate::fault::Fault;
use crate::simulation::{self, Schedule};

fn how(schedule: &mut Schedule) -> How {
    schedule.pick(&[How::Normal, How::Shutdown, How::Abnormal])
}

fn plan(schedule: &mut Schedule) -> Plan {
    let shutdown = match schedule.below(4) {
        0 => Shutdown::Kill,
        1 => Shutdown::Unlimited,
        _ => Shutdown::Within(ms(schedule.pick(&[0, 1, 20, 199, 1_000]))),
    };
    let backoff = schedule.one_in(3).then(|| {
        let (initial, jitter) = (schedule.within(1..100), schedule.below(101) as f64 / 100.0);
        Backoff::new(ms(initial), LONGEST).jitter(jitter).reset_after(ms(500))
    });
    Plan {
        name: schedule.pick(&["a", "b", "c", "d", "e", "f"]).to_owned(),
        restart: schedule.pick(&[Restart::Permanent, Restart::Transient, Restart::Temporary]),
        shutdown,
        is_significant: schedule.one_in(2),
        backoff,
    }
}

fn settings(schedule: &mut Schedule) -> Settings {
    let strategies =
        [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::SimpleOneForOne];
    Settings {
        strategy: schedule.pick(&strategies),
        auto_shutdown: schedule.weighed(&[
            (3, AutoShutdown::Never),
            (1, AutoShutdown::AnySignificant),
            (1, AutoShutdown::AllSignificant),
        ]),
        max_restarts: schedule.pick(&[0, 1, 2, 3, 100, 100, 100, 100]),
        within: LONGEST,
    }
}

fn step(schedule: &mut Schedule) -> Step {
    let who = schedule.index(8);
    match schedule.below(47) {
        0..12 => Step::Started(who),
        12..15 => Step::StartFailed(who),
        15..25 => Step::Ended(who, how(schedule)),
        25..27 => Step::Stale(who, how(schedule)),
        27..32 => Step::Pass(schedule.below(600)),
        32 => Step::PassLate(schedule.below(2_000)),
        33..37 => Step::Add(plan(schedule)),
        37..40 => Step::Terminate(who),
        40..43 => Step::Restart(who),
        43 => Step::Delete(who),
        _ => Step::Calm,
    }
}

/// A node dies, and with it some of the children.
fn a_node_dies(scene: &mut Scene, schedule: &mut Schedule) {
    for _ in 0..schedule.within(1..6) {
        let who = schedule.index(8);
        scene.step(Step::Ended(who, How::Abnormal));
    }
}

fn play(schedule: &mut Schedule) {
    let settings = settings(schedule);
    let plans: Vec<Plan> = (0..schedule.below(6)).map(|_| plan(schedule)).collect();
    schedule.note(|| format!("{settings:?}: {plans:?}"));
    let seed = schedule.below(u64::MAX);
    let mut scene = Scene::new(settings, plans, seed);
    let steps = schedule.below(80);
    let (begins_at, ends_at) = (schedule.below(3).min(steps), schedule.below(100));
    for at in 0..=steps {
        if at == begins_at {
            scene.step(Step::Begin);
        }
        let step = match at == ends_at {
            true if schedule.one_in(2) => Step::Kill,
            true => Step::Stop,
            false => step(schedule),
        };
        schedule.note(|| format!("{:?}  {step:?}", scene.now - scene.origin));
        scene.step(step);
        if schedule.one_in(20) {
            schedule.note(|| "a node dies".to_owned());
            a_node_dies(&mut scene, schedule);
        }
    }
    schedule.note(|| "all goes well, and it is told to end".to_owned());
    scene.step(Step::Calm);
    scene.step(Step::Stop);
    scene.step(Step::Calm);
    assert!(scene.world.has_ended(), "it was told to end: {:?}", scene.machine);
    schedule.pass(scene.now - scene.origin);
}

/// > Under any schedule lives follow each other, every command is answered, and a supervisor ends when it is told to.
#[test]
fn supervisor() {
    simulation::run("supervisor", 3_000, play);
}

#[test]
fn a_planted_fault_of_supervisors_is_found() {
    simulation::finds(Fault::CommandUnanswered, play);
}
