//! Random supervisors in a random world: no plans, commands, ends, slow starts and times break what is promised.

use proptest::prelude::*;

use super::backoff::Backoff;
use super::effect::How;
use super::scene::{LONGEST, Scene, Step, ms};
use super::spec::{AutoShutdown, Plan, Restart, Settings, Shutdown, Strategy as Who};

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Normal), Just(How::Shutdown), Just(How::Abnormal)]
}

fn plan() -> impl Strategy<Value = Plan> {
    let restart = prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)];
    let shutdown = prop_oneof![
        Just(Shutdown::Kill),
        Just(Shutdown::Unlimited),
        prop_oneof![Just(0), 1..200_u64, Just(1_000)].prop_map(|time| Shutdown::Within(ms(time))),
    ];
    let backoff = prop_oneof![
        2 => Just(None),
        1 => (1..100_u64, 0.0..=1.0).prop_map(|(initial, jitter)| {
            Some(Backoff::new(ms(initial), LONGEST).jitter(jitter).reset_after(ms(500)))
        }),
    ];
    ("[a-f]", restart, shutdown, any::<bool>(), backoff).prop_map(
        |(name, restart, shutdown, is_significant, backoff)| Plan {
            name,
            restart,
            shutdown,
            is_significant,
            backoff,
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let strategy = prop_oneof![
        Just(Who::OneForOne),
        Just(Who::OneForAll),
        Just(Who::RestForOne),
        Just(Who::SimpleOneForOne)
    ];
    let auto_shutdown = prop_oneof![
        3 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant)
    ];
    let max_restarts = prop_oneof![0..4_u32, Just(100)];
    (strategy, auto_shutdown, max_restarts).prop_map(|(strategy, auto_shutdown, max_restarts)| Settings {
        strategy,
        auto_shutdown,
        max_restarts,
        within: LONGEST,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..8_usize;
    let step = prop_oneof![
        12 => who.clone().prop_map(Step::Started),
        3 => who.clone().prop_map(Step::StartFailed),
        10 => (who.clone(), how()).prop_map(|(who, how)| Step::Ended(who, how)),
        2 => (who.clone(), how()).prop_map(|(who, how)| Step::Stale(who, how)),
        5 => (0..600_u64).prop_map(Step::Pass),
        1 => (0..2_000_u64).prop_map(Step::PassLate),
        4 => plan().prop_map(Step::Add),
        3 => who.clone().prop_map(Step::Terminate),
        3 => who.clone().prop_map(Step::Restart),
        1 => who.prop_map(Step::Delete),
        3 => Just(Step::Calm),
    ];
    let end = prop_oneof![1 => Just(None), 1 => (0..50_usize, Just(Step::Stop)).prop_map(Some), 1 => (0..50_usize, Just(Step::Kill)).prop_map(Some)];
    (proptest::collection::vec(step, 0..60), 0..3_usize, end).prop_map(|(mut steps, begin, end)| {
        if let Some((at, end)) = end {
            steps.insert(at.min(steps.len()), end);
        }
        steps.insert(begin.min(steps.len()), Step::Begin);
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_lives_follow_each_other_every_command_is_answered_and_it_ends_when_it_is_told_to(
        settings in settings(),
        plans in proptest::collection::vec(plan(), 0..6),
        seed in any::<u64>(),
        steps in steps(),
    ) {
        let mut scene = Scene::new(settings, plans, seed);
        for step in steps {
            scene.step(step);
        }
        scene.ends();
    }
}
