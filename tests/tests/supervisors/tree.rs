//! A tree of supervisors and processes under random kills.

use std::time::{Duration, Instant};

use callboard::{ChildSpec, Failure, Node, Strategy, SupervisorEnd};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, none_runs, pause, send_signal};

use crate::quiet;
use crate::worker::{apart, job, pid, process};

const NAMES: [[&str; 7]; 3] = [
    ["a1", "a2", "a3", "a4", "a5", "a6", "a7"],
    ["b1", "b2", "b3", "b4", "b5", "b6", "b7"],
    ["c1", "c2", "c3", "c4", "c5", "c6", ""],
];

/// A process that supervises others.
fn branch(node: &Node, names: Vec<String>) -> Result<(), Failure> {
    let mut spec = quiet().strategy(Strategy::RestForOne);
    for name in names {
        let name: &'static str =
            NAMES.iter().flatten().find(|known| **known == name).copied().unwrap_or_default();
        spec = spec.child(process(name));
    }
    Ok(node.supervise(&spec)?.run()?)
}

/// > A tree of three supervisors and twenty processes under random kills is always whole again, and leaves nothing.
#[test]
fn a_tree_under_random_kills_is_always_whole_again() {
    let check = LeakCheck::new();
    {
        let seconds = std::env::var("STORM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
        let (node, _log) = job();
        let names: Vec<&str> = NAMES.iter().flatten().copied().filter(|name| !name.is_empty()).collect();
        assert_eq!(names.len(), 20);
        // One on this node, one on it below another, and one in a process, which takes its subtree with it.
        let one = NAMES[0].iter().fold(quiet(), |spec, name| spec.child(apart(name)));
        let two = NAMES[1]
            .iter()
            .fold(quiet().strategy(Strategy::OneForAll), |spec, name| spec.child(process(name)));
        let three: Vec<String> =
            NAMES[2].iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()).collect();
        let top = quiet()
            .child(ChildSpec::supervisor("one", one))
            .child(ChildSpec::supervisor("two", two))
            .child(ChildSpec::process("three", branch, three));
        let supervisor = node.supervise(&top).unwrap();
        let mut random = Random::new();
        let (begun, mut kills, mut rounds) = (Instant::now(), 0, 0);
        let mut seen: Vec<u32> = Vec::new();
        while begun.elapsed() < Duration::from_secs(seconds) || rounds < 3 {
            eventually("the tree is whole", || {
                let pids: Vec<u32> = names.iter().filter_map(|name| pid(&node, name)).collect();
                let is_whole = pids.len() == names.len();
                if is_whole {
                    seen.extend(pids);
                }
                is_whole
            });
            assert_eq!(supervisor.end(), None);
            rounds += 1;
            for _ in 0..1 + random.below(4) {
                let name = names[random.below(names.len() as u64) as usize];
                if let Some(pid) = pid(&node, name) {
                    if random.below(3) == 0 {
                        send_signal(pid, 19);
                    }
                    send_signal(pid, 9);
                    kills += 1;
                }
                pause(random.time(Duration::from_millis(5)));
            }
        }
        println!("{kills} kills, whole again {rounds} times");
        supervisor.stop();
        assert_eq!(supervisor.wait_timeout(PATIENCE), Some(SupervisorEnd::Asked));
        none_runs("no process is left", &seen);
        assert!(names.iter().all(|name| pid(&node, name).is_none()), "no name is left");
    }
    check.check();
}
