//! The rows of pools: light tasks, one task at a time, tasks that compute.

use std::time::{Duration, Instant};

use callboard::pool::{Pool, PoolOptions};

use crate::harness::{Bench, Measured, Outcome, Row, Trouble, Unit, base, check, limit, ours, peer};
use crate::limits::pingpong::{Way, round_trips};
use crate::peers::{procspawn, python};
use crate::rows::latency::Latencies;

/// As many as the machine that these figures are quoted from has processors.
pub(crate) const WORKERS: usize = 2;

/// Every tenth task takes ten times as long.
const SHORT_MS: u64 = 10;
const LONG_MS: u64 = 100;

pub(crate) fn square(number: u64) -> u64 {
    number.wrapping_mul(number)
}

/// The sum of the squares below `count`.
pub(crate) fn squares(count: u64) -> u64 {
    (0..count).map(square).fold(0, u64::wrapping_add)
}

/// Keeps a processor busy.
fn spin(milliseconds: u64) -> u64 {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    milliseconds
}

pub(super) fn all() -> Vec<Row> {
    vec![light(), light_one(), latency(), latency_ms(), heavy()]
}

fn light() -> Row {
    Row {
        name: "pool-light",
        about: "squares of a million numbers on 2 workers, in chunks of each one's own choice",
        unit: Unit::Rate,
        contestants: vec![
            ours("processes", |b| mapped(b, options().processes(), b.size(1_000_000, 5_000), None)),
            ours("threads", |b| mapped(b, options().threads(), b.size(1_000_000, 5_000), None)),
            base("processes, chunks of 10,000", |b| {
                mapped(b, options().processes(), b.size(1_000_000, 5_000), Some(10_000))
            }),
            peer("rayon", |b| rayon_light(b.size(1_000_000, 5_000))),
            peer("Python Pool.map", |b| {
                python::run("pools.py", &["light", "pool", b.pick("1000000", "5000")])
            }),
            peer("loky, chunks of 10,000", |b| {
                python::run("pools.py", &["light", "loky", b.pick("1000000", "5000"), "10000"])
            }),
            peer("mpire", |b| python::run("pools.py", &["light", "mpire", b.pick("100000", "5000")])),
        ],
    }
}

fn light_one() -> Row {
    Row {
        name: "pool-light-1",
        about: "the same, each number a task of its own",
        unit: Unit::Rate,
        contestants: vec![
            ours("processes, mapped", |b| {
                mapped(b, options().processes(), b.size(1_000_000, 2_000), Some(1))
            }),
            ours("processes, submitted", |b| submitted(b, options().processes(), b.size(500_000, 2_000))),
            ours("threads, mapped", |b| mapped(b, options().threads(), b.size(1_000_000, 2_000), Some(1))),
            peer("procspawn", |b| procspawn::pool_light(b.size(20_000, 500))),
            peer("rayon, a job each", |b| rayon_jobs(b.size(200_000, 2_000))),
            peer("Python imap_unordered", |b| {
                python::run("pools.py", &["light", "unordered", b.pick("50000", "1000"), "1"])
            }),
            peer("Python executor", |b| {
                python::run("pools.py", &["light", "executor", b.pick("10000", "500"), "1"])
            }),
        ],
    }
}

fn latency() -> Row {
    Row {
        name: "pool-latency",
        about: "one light task at a time, handed in and waited for",
        unit: Unit::Time,
        contestants: vec![
            ours("processes", |b| one_at_a_time(b, options().processes(), b.size(50_000, 300))),
            ours("threads", |b| one_at_a_time(b, options().threads(), b.size(50_000, 300))),
            limit("blocking", |b| round_trips(Way::Blocking, b.size(50_000, 300), Duration::ZERO, 1)),
            limit("yielding", |b| round_trips(Way::Yielding, b.size(50_000, 300), Duration::ZERO, 1)),
            peer("procspawn", |b| procspawn::pool_latency(b.size(10_000, 300))),
            peer("Python apply", |b| python::run("pools.py", &["latency", "pool", b.pick("5000", "300")])),
            peer("Python submit", |b| {
                python::run("pools.py", &["latency", "executor", b.pick("3000", "300")])
            }),
            peer("loky", |b| python::run("pools.py", &["latency", "loky", b.pick("3000", "300")])),
            peer("mpire", |b| python::run("pools.py", &["latency", "mpire", b.pick("3000", "300")])),
        ],
    }
}

fn latency_ms() -> Row {
    Row {
        name: "pool-1ms",
        about: "a hundred tasks that compute for 1 ms, on 2 workers: time a task",
        unit: Unit::Time,
        contestants: vec![
            ours("processes", |b| computed(b, options().processes(), vec![1; b.size(100, 10) as usize])),
            ours("threads", |b| computed(b, options().threads(), vec![1; b.size(100, 10) as usize])),
            limit("two threads, divided before", |b| divided(vec![1; b.size(100, 10) as usize])),
            peer("rayon", |b| rayon_heavy(vec![1; b.size(100, 10) as usize])),
        ],
    }
}

fn heavy() -> Row {
    Row {
        name: "pool-heavy",
        about: "tasks that compute for 10 ms, each tenth for 100 ms, on 2 workers: time a task",
        unit: Unit::Time,
        contestants: vec![
            ours("processes", |b| computed(b, options().processes(), mixed(b))),
            ours("threads", |b| computed(b, options().threads(), mixed(b))),
            peer("rayon", |b| rayon_heavy(mixed(b))),
            peer("Python Pool.map", |b| python::run("pools.py", &["heavy", "pool", b.pick("100", "10")])),
        ],
    }
}

fn options() -> PoolOptions {
    PoolOptions::new().workers(WORKERS)
}

fn mixed(bench: &Bench) -> Vec<u64> {
    (0..bench.size(100, 10)).map(|n| if n % 10 == 0 { LONG_MS } else { SHORT_MS }).collect()
}

/// A pool whose workers are at work.
fn pool(bench: &Bench, options: PoolOptions) -> Result<Pool, Trouble> {
    let pool = bench.node.pool(options)?;
    for _ in 0..20 {
        pool.map(square, 0..100)?;
    }
    Ok(pool)
}

fn mapped(bench: &Bench, options: PoolOptions, count: u64, chunk: Option<usize>) -> Outcome {
    let pool = pool(bench, options)?;
    let start = Instant::now();
    let mapping = pool.each(square, 0..count);
    let mapping = if let Some(chunk) = chunk { mapping.chunk(chunk) } else { mapping };
    let sum = mapping.collect()?.into_iter().fold(0, u64::wrapping_add);
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &squares(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

fn submitted(bench: &Bench, options: PoolOptions, count: u64) -> Outcome {
    let pool = pool(bench, options)?;
    let start = Instant::now();
    let tasks: Result<Vec<_>, _> = (0..count).map(|number| pool.submit(square, number)).collect();
    let mut sum = 0_u64;
    for task in tasks? {
        sum = sum.wrapping_add(task.result()?);
    }
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &squares(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

fn one_at_a_time(bench: &Bench, options: PoolOptions, count: u64) -> Outcome {
    let pool = pool(bench, options)?;
    let mut latencies = Latencies::new(count, 1);
    let mut sum = 0_u64;
    for number in 0..count {
        let start = Instant::now();
        sum = sum.wrapping_add(pool.apply(square, number)?);
        latencies.add(start.elapsed());
    }
    check("sum", &sum, &squares(count))?;
    Ok(latencies.measured())
}

fn computed(bench: &Bench, options: PoolOptions, tasks: Vec<u64>) -> Outcome {
    let pool = pool(bench, options)?;
    let (count, wanted) = (tasks.len() as u64, tasks.iter().sum::<u64>());
    let start = Instant::now();
    let sum: u64 = pool.map(spin, tasks)?.into_iter().sum();
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &wanted)?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

/// Each of two threads does every other task.
fn divided(tasks: Vec<u64>) -> Outcome {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let tasks = &tasks;
            scope.spawn(move || tasks.iter().skip(worker).step_by(WORKERS).copied().map(spin).sum::<u64>());
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured { operations: tasks.len() as u64, seconds, ..Measured::default() })
}

fn rayon_pool() -> Result<rayon::ThreadPool, Trouble> {
    rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().map_err(Trouble::failed)
}

fn rayon_light(count: u64) -> Outcome {
    use rayon::prelude::*;
    let pool = rayon_pool()?;
    let start = Instant::now();
    let values: Vec<u64> = pool.install(|| (0..count).into_par_iter().map(square).collect());
    let sum = values.into_iter().fold(0, u64::wrapping_add);
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &squares(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

/// Each number by a job that sends its value back.
fn rayon_jobs(count: u64) -> Outcome {
    let pool = rayon_pool()?;
    let start = Instant::now();
    let (values, come) = crossbeam_channel::unbounded();
    for number in 0..count {
        let values = values.clone();
        pool.spawn(move || {
            // Nobody receives any more only when this run has failed.
            let _ = values.send(square(number));
        });
    }
    drop(values);
    let sum = come.iter().fold(0, u64::wrapping_add);
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &squares(count))?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}

fn rayon_heavy(tasks: Vec<u64>) -> Outcome {
    use rayon::prelude::*;
    let pool = rayon_pool()?;
    let (count, wanted) = (tasks.len() as u64, tasks.iter().sum::<u64>());
    let start = Instant::now();
    let sum: u64 = pool.install(|| tasks.into_par_iter().with_max_len(1).map(spin).sum());
    let seconds = start.elapsed().as_secs_f64();
    check("sum", &sum, &wanted)?;
    Ok(Measured { operations: count, seconds, ..Measured::default() })
}
