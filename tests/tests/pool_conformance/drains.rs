//! Tasks that drain a queue which is handed to them and return a sum; a later task finds nothing to do.

use callboard::pipeline::Workers;
use callboard::testing::job;
use callboard::{Queue, QueueOptions, TryGetError};
use callboard_tests::{PATIENCE, kill_self};

use crate::gate::pool_of;

fn drains(numbers: Queue<u64>) -> (u64, u64) {
    let (mut count, mut sum) = (0, 0);
    loop {
        match numbers.try_get() {
            Ok(number) => (count, sum) = (count + 1, sum + number),
            Err(TryGetError::Empty) => return (count, sum),
            Err(other) => panic!("{other}"),
        }
    }
}

/// > Tasks that drain a queue which is handed to them take each item once; a later task finds nothing and returns at once.
fn tasks_drain_a_queue_and_a_later_one_finds_nothing(mode: Workers) {
    const COUNT: u64 = 10_000;
    let job = job();
    let numbers: Queue<u64> = job.anonymous(QueueOptions::new());
    let pool = pool_of(&job, mode, 3);
    for _ in 0..3 {
        numbers.put_many(0..COUNT).unwrap();
        assert!(numbers.flush().is_ok());
        let tasks: Vec<_> = (0..6).map(|_| pool.submit(drains, numbers.clone()).unwrap()).collect();
        let sums: Vec<(u64, u64)> = tasks.into_iter().map(|task| task.result().unwrap()).collect();
        assert_eq!(sums.iter().map(|(count, _)| count).sum::<u64>(), COUNT, "{sums:?}");
        assert_eq!(sums.iter().map(|(_, sum)| sum).sum::<u64>(), COUNT * (COUNT - 1) / 2, "{sums:?}");
        assert_eq!(pool.apply(drains, numbers.clone()).unwrap(), (0, 0));
    }
    assert!(pool.shutdown(PATIENCE));
}

in_every_way! { tasks_drain_a_queue_and_a_later_one_finds_nothing }

/// > A task that is killed while it drains a queue takes what it had along, and no more; the next drains the rest.
#[test]
fn a_task_killed_while_it_drains_a_queue_leaves_the_rest_to_the_next() {
    fn takes_and_dies((numbers, count): (Queue<u64>, u64)) -> u64 {
        assert!((0..count).all(|_| numbers.get().is_ok()));
        kill_self()
    }
    let job = job();
    let numbers: Queue<u64> = job.anonymous(QueueOptions::new());
    numbers.put_many(0..1000).unwrap();
    let pool = pool_of(&job, Workers::Processes, 2);
    assert!(pool.apply(takes_and_dies, (numbers.clone(), 100)).is_err());
    assert_eq!(pool.apply(drains, numbers.clone()).unwrap(), (900, (100..1000).sum()));
    assert_eq!(pool.apply(drains, numbers).unwrap(), (0, 0));
    assert!(pool.shutdown(PATIENCE));
}
