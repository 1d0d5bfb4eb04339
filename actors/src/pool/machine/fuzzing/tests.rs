//! What was found wrong, each by itself.

use super::*;

/// A table with one worker that holds three units of two tasks each.
fn busy() -> Play {
    let rules = Rules {
        min: 1,
        max: 1,
        idle_for: None,
        tasks_a_life: None,
        life: None,
        capacity: 100,
        capacity_bytes: 100,
    };
    let mut play = Play {
        machine: Machine::new(rules, 7),
        world: Outside::default(),
        now: Instant::now(),
        slots: Vec::new(),
        next_sink: 1,
        of_many: 0,
    };
    play.machine.hand_out(play.now, &mut play.world);
    play.machine.ready(0, play.now, &mut play.world);
    // Quick work makes room for more.
    for at in 0..8 {
        play.unit(1);
        assert_eq!(play.tell(at, 1, 1), Ok(()));
    }
    (0..3).for_each(|_| play.unit(2));
    assert_eq!(play.machine.crew[&0].held.len(), 3);
    play
}

impl Play {
    fn unit(&mut self, count: u32) {
        self.next_sink += 1;
        let sink = Sink(self.next_sink);
        self.world.open.extend((0..u64::from(count)).map(|at| (sink.clone(), at)));
        let mut args = Vec::new();
        (0..count).for_each(|_| push_bytes(&mut args, b"args"));
        let work = Work { args, count, ..Work::default() };
        self.slots.push(self.machine.submit(work, Terms::default(), sink, 0));
        self.machine.hand_out(self.now, &mut self.world);
    }

    fn tell(&mut self, at: u64, count: u32, nanos: u64) -> Result<(), String> {
        let mut outcomes = Outcomes { count, nanos, ..Outcomes::default() };
        (0..count).for_each(|_| push_bytes(&mut outcomes.values, b"done"));
        self.machine.told(0, at, outcomes, self.now, &mut self.world)
    }

    fn gives_back(&mut self, units: &[u64]) -> Result<(), String> {
        self.machine.recalled(0, None, units, self.now, &mut self.world)
    }
}

#[test]
fn what_is_given_back_in_part_wrongly_is_not_lost() {
    for units in [&[8, 100][..], &[8, 8], &[8, 11], &[12, 12]] {
        let mut play = busy();
        assert!(play.gives_back(units).is_err(), "{units:?}");
        play.check();
        play.ended(0, &mut Draw::new(&[]));
        play.check();
        play.end();
    }
}

#[test]
fn two_units_given_back_in_part_both_wait_again() {
    let mut play = busy();
    assert_eq!((play.tell(10, 1, 1), play.tell(8, 1, 1)), (Ok(()), Ok(())));
    assert_eq!(play.gives_back(&[9, 11]), Ok(()));
    play.check();
    play.end();
}

#[test]
fn a_report_of_any_number_and_any_time_is_taken_or_refused() {
    let mut play = busy();
    assert!(play.tell(u64::MAX, 1, 0).is_err());
    assert!(play.tell(u64::MAX - 1, 3, 0).is_err());
    assert_eq!(play.tell(8, 6, u64::MAX), Ok(()));
    play.check();
    play.end();
}
