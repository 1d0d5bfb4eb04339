//! A supervisor in a world in which happens what the bytes say.

use super::backoff::Backoff;
use super::effect::How;
use super::scene::{LONGEST, Scene, Step, ms};
use super::spec::{AutoShutdown, Plan, Restart, Settings, Shutdown, Strategy};
use crate::fuzzing::Draw;

/// How many steps there are at most: each may take many of the machine's.
const MAX_STEPS: usize = 200;

/// Has a supervisor hear what the bytes say.
pub(crate) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let settings = settings(&mut draw);
    let plans = (0..draw.below(6)).map(|_| plan(&mut draw)).collect();
    let mut scene = Scene::new(settings, plans, u64::from(draw.byte()));
    let (begins_at, mut has_begun) = (draw.below(3), false);
    for at in 0..MAX_STEPS {
        if at == begins_at {
            has_begun = true;
            scene.step(Step::Begin);
        }
        if draw.is_over() {
            break;
        }
        let step = step(&mut draw);
        scene.step(step);
    }
    if !has_begun {
        scene.step(Step::Begin);
    }
    scene.ends();
}

fn step(draw: &mut Draw<'_>) -> Step {
    let who = draw.below(8);
    match draw.below(48) {
        0..12 => Step::Started(who),
        12..15 => Step::StartFailed(who),
        15..25 => Step::Ended(who, how(draw)),
        25..27 => Step::Stale(who, how(draw)),
        27..32 => Step::Pass(draw.byte().into()),
        32 => Step::PassLate(u64::from(draw.byte()) * 8),
        33..37 => Step::Add(plan(draw)),
        37..40 => Step::Terminate(who),
        40..43 => Step::Restart(who),
        43 => Step::Delete(who),
        44 if draw.below(8) == 0 => Step::Stop,
        45 if draw.below(8) == 0 => Step::Kill,
        _ => Step::Calm,
    }
}

fn how(draw: &mut Draw<'_>) -> How {
    [How::Normal, How::Shutdown, How::Abnormal][draw.below(3)]
}

fn plan(draw: &mut Draw<'_>) -> Plan {
    let shutdown = match draw.below(4) {
        0 => Shutdown::Kill,
        1 => Shutdown::Unlimited,
        2 => Shutdown::Within(ms(draw.byte().into())),
        _ => Shutdown::Within(LONGEST),
    };
    let backoff = (draw.below(3) == 0).then(|| {
        let (initial, jitter) = (u64::from(draw.byte() % 100) + 1, f64::from(draw.byte()) / 255.0);
        Backoff::new(ms(initial), LONGEST).jitter(jitter).reset_after(ms(500))
    });
    Plan {
        name: char::from(b'a' + draw.byte() % 6).to_string(),
        restart: [Restart::Permanent, Restart::Transient, Restart::Temporary][draw.below(3)],
        shutdown,
        is_significant: draw.flag(),
        backoff,
    }
}

fn settings(draw: &mut Draw<'_>) -> Settings {
    let strategies =
        [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::SimpleOneForOne];
    let shutdowns = [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant];
    Settings {
        strategy: strategies[draw.below(4)],
        auto_shutdown: shutdowns[draw.below(3)],
        max_restarts: [0, 1, 2, 3, 100][draw.below(5)],
        within: LONGEST,
    }
}
