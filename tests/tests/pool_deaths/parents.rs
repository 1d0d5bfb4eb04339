//! The process that has a pool is killed while that is busy: no worker outlives it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callboard::Node;
use callboard::pool::{Pool, PoolOptions, Worker};
use callboard::testing::send_signal;
use callboard_tests::{PATIENCE, Random, eventually, none_runs, pause, rounds};

const FILE: &str = "CALLBOARD_TEST_POOL";
/// Workers, and of a nested pool in each of the first kind of task again so many.
const WORKERS: usize = 3;
const NESTED: usize = 2;

fn note(path: &Path) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(format!("{}\n", std::process::id()).as_bytes()).unwrap();
}

/// Computes without an end.
fn computes(path: PathBuf) -> u64 {
    note(&path);
    let mut n = 1_u64;
    loop {
        n = std::hint::black_box(n.wrapping_mul(31));
    }
}

/// Has a pool of its own whose workers compute without an end.
fn has_a_pool(worker: &mut Worker, path: PathBuf) -> u64 {
    let node = worker.node().unwrap();
    note(&path);
    let pool = node.pool(PoolOptions::new().workers(NESTED)).unwrap();
    busy(&pool, NESTED, &path).into_iter().map(|task| task.result().unwrap()).sum()
}

fn busy(pool: &Pool, tasks: usize, path: &Path) -> Vec<callboard::pool::Task<u64>> {
    (0..tasks).map(|_| pool.submit(computes, path.to_owned()).unwrap()).collect()
}

/// A program that runs on its own. Inert in a run of tests.
#[test]
fn a_program_with_a_busy_pool() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let path = PathBuf::from(path);
    let node = Node::start().unwrap();
    let pool = node.pool(PoolOptions::new().workers(WORKERS)).unwrap();
    let nested = pool.submit_to_worker(has_a_pool, path.clone()).unwrap();
    let others = busy(&pool, WORKERS - 1, &path);
    // Many wait besides, and the program feeds the pool all along.
    let waiting = busy(&pool, 100, &path);
    let _ = callboard::pool::wait(&waiting, callboard::pool::Until::FirstDone, Some(PATIENCE));
    drop((nested, others));
}

/// > With its parent killed no worker of a pool lives on, busy or stopped, nor a worker of a pool within a task.
#[test]
fn no_worker_outlives_a_killed_parent() {
    let mut random = Random::new();
    for round in 0..rounds(6) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let mut root = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "parents::a_program_with_a_busy_pool", "--nocapture"])
            .env(FILE, &file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pids: Vec<u32> = Vec::new();
        eventually("all workers are busy", || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            pids = text.lines().filter_map(|pid| pid.parse().ok()).collect();
            pids.len() == WORKERS + NESTED
        });
        pause(random.time(Duration::from_millis(5)));
        if round % 2 == 1 {
            send_signal(*random.pick(&pids), 19);
        }
        // SIGKILL, and SIGTERM as it is if nobody asks for another meaning.
        send_signal(root.id(), if round % 3 == 2 { 15 } else { 9 });
        root.wait().unwrap();
        let begun = Instant::now();
        none_runs("no worker is left", &pids);
        eprintln!("gone after {:?}", begun.elapsed());
    }
}
