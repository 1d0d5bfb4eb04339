// cargo run --release -p callboard-examples --example queue_worker_group
//! A group of workers, started once, through which several batches pass: each worker gets its tasks and its results' way back
//! as arguments.

use std::error::Error;
use std::time::Duration;

use callboard::{Failure, Node, Process, Queue, QueueOptions};

const WORKERS: usize = 3;

/// A number with its place in the batch.
type Task = (usize, u64);

/// What each worker runs until there are no more tasks; how many it has done.
fn work(_: &Node, (tasks, results): (Queue<Task>, Queue<Task>)) -> Result<usize, Failure> {
    let mut count = 0;
    for (place, number) in &tasks {
        results.put((place, number * number))?;
        count += 1;
    }
    Ok(count)
}

/// Workers that stay from batch to batch.
struct Group {
    tasks: Queue<Task>,
    results: Queue<Task>,
    workers: Vec<Process<Result<usize, Failure>>>,
}

impl Group {
    fn start(node: &Node) -> Result<Self, Box<dyn Error>> {
        let tasks: Queue<Task> = node.anonymous(QueueOptions::new());
        let results: Queue<Task> = node.anonymous(QueueOptions::new());
        let worker = |n| node.spawn(&format!("worker-{n}"), work, (tasks.clone(), results.clone()));
        let workers = (1..=WORKERS).map(worker).collect::<Result<_, _>>()?;
        Ok(Self { tasks, results, workers })
    }

    /// The squares of `numbers`, in their order.
    fn squares(&self, numbers: &[u64]) -> Result<Vec<u64>, Box<dyn Error>> {
        self.tasks.put_many(numbers.iter().copied().enumerate())?;
        let mut squares = vec![0; numbers.len()];
        for _ in numbers {
            // A killed worker takes its task along, and this ends with an error; leases, as in queue_leases, lose none.
            let (place, square) = self.results.get_timeout(Duration::from_secs(30))?;
            squares[place] = square;
        }
        Ok(squares)
    }

    /// Ends the workers; how many tasks they have done.
    fn end(self) -> Result<usize, Box<dyn Error>> {
        self.tasks.close()?;
        let mut count = 0;
        for worker in self.workers {
            count += worker.join()??;
        }
        Ok(count)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let group = Group::start(&node)?;
    for batch in [1..=5_u64, 10..=12, 100..=107] {
        let numbers: Vec<u64> = batch.collect();
        println!("the squares of {numbers:?} are {:?}", group.squares(&numbers)?);
    }
    println!("{WORKERS} workers have done {} tasks", group.end()?);
    Ok(())
}
