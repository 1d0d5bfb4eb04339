//! Who has a region is killed at random.

use std::collections::BTreeSet;
use std::time::Duration;

use callboard::testing::job;
use callboard::{Node, Process, Queue, QueueOptions, Region, RegionOptions};
use callboard_tests::{PATIENCE, Random, pause, rounds, send_signal};

use crate::{SIZE, has_mark, is_gone};

/// The latest moment at which somebody is killed, after all are started, or after the one before.
const LONGEST: Duration = Duration::from_millis(4);

/// Creates a region, or opens one, has it mapped, says so, and is there until it is killed.
fn takes_part(node: &Node, (name, who, told): (String, u64, Queue<u64>)) {
    let options = RegionOptions::new(SIZE);
    let region: Region = if who == 0 {
        node.create(&name, options).unwrap()
    } else {
        // Gone if its creator was killed before anybody had it.
        let Ok(region) = node.open_timeout(&name, PATIENCE) else { return };
        region
    };
    let Ok(mapping) = region.map() else { return };
    if who == 0 {
        mapping.write(0, b"mark").unwrap();
    }
    // Its own word, which nobody else writes.
    let words = mapping.view::<u64>().unwrap();
    words.set(1 + who as usize, who).unwrap();
    told.put_confirmed(who).unwrap();
    while !node.wait_stopping(Duration::ZERO) {
        assert_eq!(words.get(1 + who as usize), Some(who));
        words.set(10 + who as usize, words.get(10 + who as usize).unwrap() + 1).unwrap();
    }
}

/// Whether the region outlived its creator.
fn one_round(node: &Node, round: u64, random: &mut Random) -> bool {
    let name = format!("/storm/{round}");
    let told: Queue<u64> = node.anonymous(QueueOptions::new());
    let spawn = |who| {
        let process = node.process("takes part").stderr_null();
        (who, process.spawn(takes_part, (name.clone(), who, told.clone())).unwrap())
    };
    let mut alive: Vec<(u64, Process<()>)> = (0..3).map(spawn).collect();
    let (mut have, mut outlived) = (BTreeSet::new(), false);
    while !alive.is_empty() {
        pause(random.time(LONGEST));
        let (who, victim) = alive.swap_remove(random.below(alive.len() as u64) as usize);
        have.extend(std::iter::from_fn(|| told.try_get().ok()));
        if random.below(3) == 0 {
            send_signal(victim.pid(), 19);
            pause(random.time(Duration::from_micros(300)));
        }
        send_signal(victim.pid(), 9);
        if random.below(2) == 0 && have.iter().any(|other| *other != who) {
            // Its end may not have come to the root yet, and matters to nobody.
            assert_eq!(node.open::<Region>(&name).unwrap().size_bytes(), Ok(SIZE));
        }
        let _ = victim.join();
        have.extend(std::iter::from_fn(|| told.try_get().ok()));
        have.remove(&who);
        if !have.is_empty() {
            let region: Region = node.open(&name).unwrap();
            assert!(has_mark(&region) || !have.contains(&0), "{have:?} have it");
            assert!(region.holders().unwrap() >= have.len());
        }
        outlived |= who == 0 && !have.is_empty();
        if who == 0 && have.is_empty() {
            // Who waits for the name would wait for long.
            break;
        }
    }
    for (_, process) in alive {
        send_signal(process.pid(), 9);
        let _ = process.join();
    }
    is_gone(node, &name);
    outlived
}

/// > Whoever is killed of those who create, open and have a region, at any moment and in any order: it is there as long as anybody has it, and
/// > then nothing is left of it.
#[test]
fn whoever_is_killed_a_region_lives_as_long_as_somebody_has_it() {
    let job = job();
    let mut random = Random::new();
    let outlived = (0..rounds(100)).filter(|round| one_round(&job, *round, &mut random)).count();
    eprintln!("{outlived} regions outlived their creator");
}
