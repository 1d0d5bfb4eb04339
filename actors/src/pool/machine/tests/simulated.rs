//! Pools in seeded schedules: workers that are slow, stop and die, in virtual time.
//!
//! What happens next is drawn as in the other plays of chance here; what comes on top is that workers stop for a while, and that the
//! table's node does, so that its timers come late and all that it was told comes at once.

use std::time::Duration;

use super::rules;
use super::world::Play;
use crate::fault::Fault;
use crate::pool::machine::Rules;
use crate::simulation::{self, Schedule};

fn rules_by_chance(schedule: &mut Schedule) -> Rules {
    let min = schedule.index(3);
    let recycles = schedule.one_in(3);
    Rules {
        tasks_a_life: recycles.then(|| schedule.within(1..6)),
        life: (recycles && schedule.one_in(2)).then_some(Duration::from_millis(300)),
        ..rules(min, min.max(1) + schedule.index(4))
    }
}

fn play(schedule: &mut Schedule) {
    let (rules, seed) = (rules_by_chance(schedule), schedule.below(u64::MAX));
    let mut play = Play::at(schedule.now(), rules, seed);
    let is_deadly = !schedule.one_in(4);
    for _ in 0..schedule.within(1..200) {
        let worker = play.world.fakes.keys().nth(schedule.index(6)).copied();
        let time = Duration::from_millis(schedule.below(400));
        match (schedule.below(60), worker) {
            (0, Some(worker)) => {
                schedule.note(|| format!("worker {worker} stops for {time:?}"));
                play.stopped.insert(worker, play.now + time);
            }
            (1, _) => {
                schedule.note(|| format!("the pool's node stops for {time:?}"));
                play.pass_late(time);
            }
            _ => {
                play.step(is_deadly);
                schedule.note(|| play.last_step());
            }
        }
        schedule.go_on_to(play.now);
        play.check();
    }
    schedule.note(|| "all goes well".to_owned());
    play.stopped.clear();
    play.settle_all();
    schedule.go_on_to(play.now);
}

/// > Under any schedule of slow, stopped and dead workers each task of a pool ends once, runs no more often than its terms allow, and
/// > nobody is idle beside one that waits.
#[test]
fn pool() {
    simulation::run("pool", 2_000, play);
}

#[test]
fn a_planted_fault_of_pools_is_found() {
    simulation::finds(Fault::TaskOfTheDeadForgotten, play);
}
