//! What these tests share: tasks that wait at a gate, and how their workers are killed.

use callboard::pool::{Pool, PoolOptions, Task, TaskError};
use callboard::testing::{is_running, is_stopped, kill, stop};
use callboard::{Event, EventOptions, JoinError, Node, Queue, QueueOptions};
use callboard_tests::{PATIENCE, eventually};

/// How many workers a pool has here.
pub(crate) const WORKERS: usize = 4;

/// How workers are killed, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    /// They are stopped before.
    pub(crate) is_stopped: bool,
    pub(crate) count: usize,
}

/// Every way: one and all of them, at once and stopped before.
pub(crate) const KILLS: [Kill; 4] = [
    Kill { is_stopped: false, count: 1 },
    Kill { is_stopped: true, count: 1 },
    Kill { is_stopped: false, count: WORKERS },
    Kill { is_stopped: true, count: WORKERS },
];

impl Kill {
    /// Kills as many of these as it is for; they.
    pub(crate) fn some_of(self, pids: &[u32]) -> Vec<u32> {
        let victims = pids[..self.count].to_vec();
        if self.is_stopped {
            victims.iter().for_each(|pid| stop(*pid));
            eventually("they are stopped", || {
                victims.iter().all(|pid| is_stopped(*pid) || !is_running(*pid))
            });
        }
        victims.iter().for_each(|pid| kill(*pid));
        victims
    }
}

/// Where tasks and initializers say that they are there, and wait.
pub(crate) struct Gate {
    pub(crate) told: Queue<u32>,
    pub(crate) open: Event,
}

/// What a task at a gate is given.
pub(crate) type Held = (Queue<u32>, Event);

impl Gate {
    pub(crate) fn new(node: &Node) -> Self {
        Self { told: node.anonymous(QueueOptions::new()), open: node.anonymous(EventOptions::new()) }
    }

    pub(crate) fn args(&self) -> Held {
        (self.told.clone(), self.open.clone())
    }

    /// Waits until so many are there; the ids of their processes.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.told.get_timeout(PATIENCE).unwrap()).collect()
    }

    /// As many tasks as there are workers, each on a worker of its own, with the process that it runs in.
    pub(crate) fn one_a_worker(&self, pool: &Pool) -> Vec<(u32, Task<u32>)> {
        self.open.clear().unwrap();
        let one = |_| {
            let task = pool.submit(waits_at_gate, self.args()).unwrap();
            (self.wait_for(1)[0], task)
        };
        (0..WORKERS).map(one).collect()
    }

    /// Has each worker do a task; the ids of their processes.
    pub(crate) fn gather(&self, pool: &Pool) -> Vec<u32> {
        let tasks = self.one_a_worker(pool);
        self.open.set().unwrap();
        tasks.into_iter().map(|(_, task)| task.result().unwrap()).collect()
    }
}

/// Says where it runs, and returns that once the gate is open.
pub(crate) fn waits_at_gate((told, open): Held) -> u32 {
    told.put_confirmed(std::process::id()).unwrap();
    open.wait().unwrap();
    std::process::id()
}

pub(crate) fn square(n: u64) -> u64 {
    n * n
}

pub(crate) fn pool_of(node: &Node, workers: usize) -> Pool {
    node.pool(PoolOptions::new().workers(workers)).unwrap()
}

/// Whether it is the error of a task whose worker was killed, which was one of `victims`.
pub(crate) fn is_killed(error: &TaskError, victims: &[u32]) -> bool {
    matches!(error, TaskError::Died { pid: Some(pid), why: JoinError::Signalled { signal: 9, .. }, .. } if victims.contains(pid))
}

/// That the pool does whatever it is given.
#[track_caller]
pub(crate) fn goes_on(pool: &Pool) {
    assert_eq!(pool.map(square, 0..100).unwrap(), (0..100).map(square).collect::<Vec<_>>());
    assert_eq!(pool.apply(square, 12).unwrap(), 144);
}
