//! The rows of what lies in shared memory: locks, semaphores, values and arrays.

use callboard::{
    Array, ArrayOptions, Barrier, BarrierOptions, Lock, LockOptions, Node, Semaphore, SemaphoreOptions,
    Value, ValueOptions,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::clock::stamp;
use crate::harness::{Bench, Measured, Outcome, Row, Trouble, Unit, base, check, limit, ours, peer};
use crate::limits::robust;
use crate::peers::python;

/// How many numbers of eight bytes are a hundred megabytes, and how often they are summed.
fn hundred_megabytes(bench: &Bench) -> (u64, u64) {
    (bench.size(12_500_000, 10_000), bench.size(20, 2))
}

/// The same of a gigabyte.
fn gigabyte(bench: &Bench) -> (u64, u64) {
    (bench.size(125_000_000, 20_000), bench.size(4, 2))
}

pub(super) fn all() -> Vec<Row> {
    vec![
        lock(),
        lock_2(),
        lock_8(),
        semaphore(),
        semaphore_2(),
        semaphore_8(),
        value(),
        value_2(),
        value_8(),
        array(),
        array_1g(),
    ]
}

fn lock() -> Row {
    Row {
        name: "lock",
        about: "a lock taken and given back, which nobody else wants",
        unit: Unit::Time,
        contestants: vec![
            ours("Lock", |b| locks(b, 1, b.size(4_000_000, 2_000))),
            limit("robust mutex", |b| robust::mutex(1, b.size(4_000_000, 2_000))),
            peer("Python Lock", |_| python::run("shared.py", &["lock", "1", "500000"])),
        ],
    }
}

fn lock_2() -> Row {
    Row {
        name: "lock-2",
        about: "the same by two processes at once",
        unit: Unit::Time,
        contestants: vec![
            ours("Lock", |b| locks(b, 2, b.size(1_000_000, 1_000))),
            limit("robust mutex", |b| robust::mutex(2, b.size(1_000_000, 1_000))),
            peer("Python Lock", |b| python::run("shared.py", &["lock", "2", b.pick("100000", "1000")])),
        ],
    }
}

fn lock_8() -> Row {
    Row {
        name: "lock-8",
        about: "the same by eight processes at once",
        unit: Unit::Time,
        contestants: vec![
            ours("Lock", |b| locks(b, 8, b.size(250_000, 500))),
            limit("robust mutex", |b| robust::mutex(8, b.size(250_000, 500))),
            peer("Python Lock", |b| python::run("shared.py", &["lock", "8", b.pick("25000", "500")])),
        ],
    }
}

fn semaphore() -> Row {
    Row {
        name: "semaphore",
        about: "the one permit of a semaphore taken and given back, which nobody else wants",
        unit: Unit::Time,
        contestants: vec![
            ours("Semaphore", |b| permits(b, 1, b.size(4_000_000, 2_000))),
            limit("POSIX semaphore", |b| robust::semaphore(1, b.size(4_000_000, 2_000))),
            limit("robust mutex", |b| robust::mutex(1, b.size(4_000_000, 2_000))),
            peer("Python Semaphore", |_| python::run("shared.py", &["semaphore", "1", "500000"])),
        ],
    }
}

fn semaphore_2() -> Row {
    Row {
        name: "semaphore-2",
        about: "the same by two processes at once",
        unit: Unit::Time,
        contestants: vec![
            ours("Semaphore", |b| permits(b, 2, b.size(500_000, 1_000))),
            limit("POSIX semaphore", |b| robust::semaphore(2, b.size(500_000, 1_000))),
            limit("robust mutex", |b| robust::mutex(2, b.size(500_000, 1_000))),
            peer("Python Semaphore", |b| {
                python::run("shared.py", &["semaphore", "2", b.pick("100000", "1000")])
            }),
        ],
    }
}

fn semaphore_8() -> Row {
    Row {
        name: "semaphore-8",
        about: "the same by eight processes at once",
        unit: Unit::Time,
        contestants: vec![
            ours("Semaphore", |b| permits(b, 8, b.size(250_000, 500))),
            limit("POSIX semaphore", |b| robust::semaphore(8, b.size(250_000, 500))),
            limit("robust mutex", |b| robust::mutex(8, b.size(250_000, 500))),
            peer("Python Semaphore", |b| {
                python::run("shared.py", &["semaphore", "8", b.pick("25000", "500")])
            }),
        ],
    }
}

fn value() -> Row {
    Row {
        name: "value",
        about: "one added to a shared number",
        unit: Unit::Time,
        contestants: vec![
            ours("under its lock", |b| counts(b, 1, b.size(4_000_000, 2_000), under_lock)),
            ours("in one step", |b| counts(b, 1, b.size(4_000_000, 2_000), in_one_step)),
            peer("Python Value", |b| python::run("shared.py", &["value", "1", b.pick("200000", "1000")])),
        ],
    }
}

fn value_2() -> Row {
    Row {
        name: "value-2",
        about: "the same by two processes at once",
        unit: Unit::Time,
        contestants: vec![
            ours("under its lock", |b| counts(b, 2, b.size(1_000_000, 1_000), under_lock)),
            ours("in one step", |b| counts(b, 2, b.size(1_000_000, 1_000), in_one_step)),
            peer("Python Value", |b| python::run("shared.py", &["value", "2", b.pick("50000", "1000")])),
        ],
    }
}

fn value_8() -> Row {
    Row {
        name: "value-8",
        about: "the same by eight processes at once",
        unit: Unit::Time,
        contestants: vec![
            ours("under its lock", |b| counts(b, 8, b.size(250_000, 500), under_lock)),
            ours("in one step", |b| counts(b, 8, b.size(250_000, 500), in_one_step)),
            peer("Python Value", |b| python::run("shared.py", &["value", "8", b.pick("12500", "500")])),
        ],
    }
}

fn array() -> Row {
    Row {
        name: "array",
        about: "100 MB of numbers summed by two processes that are there: time a sum",
        unit: Unit::Time,
        contestants: vec![
            ours("Array, two processes", |b| sums(b, 2, hundred_megabytes(b))),
            base("Array, one process", |b| sums(b, 1, hundred_megabytes(b))),
            limit("memory of one process", |b| sums_of_own(1, hundred_megabytes(b))),
            limit("the same, two threads", |b| sums_of_own(2, hundred_megabytes(b))),
        ],
    }
}

fn array_1g() -> Row {
    Row {
        name: "array-1g",
        about: "the same with 1 GB",
        unit: Unit::Time,
        contestants: vec![
            ours("Array, two processes", |b| sums(b, 2, gigabyte(b))),
            base("Array, one process", |b| sums(b, 1, gigabyte(b))),
            limit("memory of one process", |b| sums_of_own(1, gigabyte(b))),
            limit("the same, two threads", |b| sums_of_own(2, gigabyte(b))),
        ],
    }
}

/// What a process is told to do, and when all of them begin.
type Turns<T> = (T, Barrier, u64);

/// Starts so many processes, which begin together; from when the first begins until the last has ended.
fn together<T, O>(bench: &Bench, with: &T, processes: u64, times: u64, f: fn(&Node, Turns<T>) -> O) -> Outcome
where
    T: Clone + Serialize + DeserializeOwned + Send + 'static,
    O: Into<Result<(u64, u64), String>> + Serialize + DeserializeOwned + Send + 'static,
{
    let parties = BarrierOptions::new(processes as usize).map_err(Trouble::failed)?;
    let begin: Barrier = bench.node.anonymous(parties);
    let start = |_| bench.node.spawn("turns", f, (with.clone(), begin.clone(), times));
    let children: Vec<_> = (0..processes).map(start).collect::<Result<_, _>>()?;
    let mut span = (u64::MAX, 0);
    for child in children {
        let (start, end) = child.join()?.into().map_err(Trouble::Failed)?;
        span = (span.0.min(start), span.1.max(end));
    }
    Ok(Measured::between(processes * times, span.0, span.1))
}

/// What a process says: when it began and ended.
type Said = Result<(u64, u64), String>;

/// Waits for the others, and takes the time that `turns` take.
fn timed(begin: &Barrier, turns: impl FnOnce() -> Result<(), String>) -> Said {
    begin.wait().map_err(|error| error.to_string())?;
    let start = stamp();
    turns()?;
    Ok((start, stamp()))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn locks(bench: &Bench, processes: u64, times: u64) -> Outcome {
    fn turns(_: &Node, (lock, begin, times): Turns<Lock>) -> Said {
        drop(lock.lock().map_err(text)?);
        timed(&begin, || (0..times).try_for_each(|_| lock.lock().map(drop)).map_err(text))
    }
    let lock: Lock = bench.node.anonymous(LockOptions::new());
    together(bench, &lock, processes, times, turns)
}

fn permits(bench: &Bench, processes: u64, times: u64) -> Outcome {
    fn turns(_: &Node, (semaphore, begin, times): Turns<Semaphore>) -> Said {
        drop(semaphore.acquire().map_err(text)?);
        timed(&begin, || (0..times).try_for_each(|_| semaphore.acquire().map(drop)).map_err(text))
    }
    let semaphore: Semaphore = bench.node.anonymous(SemaphoreOptions::new(1));
    together(bench, &semaphore, processes, times, turns)
}

fn under_lock(_: &Node, (value, begin, times): Turns<Value<u64>>) -> Said {
    value.get().map_err(text)?;
    let add = || {
        *value.lock().map_err(text)? += 1;
        Ok(())
    };
    timed(&begin, || (0..times).try_for_each(|_| add()))
}

fn in_one_step(_: &Node, (value, begin, times): Turns<Value<u64>>) -> Said {
    value.get().map_err(text)?;
    timed(&begin, || (0..times).try_for_each(|_| value.fetch_add(1).map(drop)).map_err(text))
}

fn counts(bench: &Bench, processes: u64, times: u64, turns: fn(&Node, Turns<Value<u64>>) -> Said) -> Outcome {
    let value: Value<u64> = bench.node.anonymous(ValueOptions::new(0));
    let measured = together(bench, &value, processes, times, turns)?;
    check("sum", &value.get().map_err(Trouble::failed)?, &(processes * times))?;
    Ok(measured)
}

fn sums(bench: &Bench, processes: u64, (numbers, times): (u64, u64)) -> Outcome {
    fn turns(_: &Node, ((array, shares), begin, times): Turns<(Array<u64>, Value<u64>)>) -> Said {
        let len = array.len().map_err(text)?;
        let share = shares.fetch_add(1).map_err(text)? as usize;
        let parties = begin.parties().map_err(text)?;
        let part = len * share / parties..len * (share + 1) / parties;
        let numbers = array.read(part.clone()).map_err(text)?;
        // Its pages are mapped before the clock starts, as those of memory that was just written are.
        let expected = sum(&numbers);
        timed(&begin, || {
            let wrong = (0..times).find(|_| sum(&numbers) != expected);
            wrong.map_or(Ok(()), |_| Err("a sum that differs".to_owned()))
        })
    }
    let array: Array<u64> = bench.node.anonymous(ArrayOptions::new(numbers as usize));
    let filled = array.write(..).map_err(Trouble::failed);
    filled?.iter_mut().zip(0..).for_each(|(number, value)| *number = value);
    let shares: Value<u64> = bench.node.anonymous(ValueOptions::new(0));
    let measured = together(bench, &(array.clone(), shares), processes, times, turns)?;
    array.close().map_err(Trouble::failed)?;
    // All of them together make one sum.
    Ok(Measured { operations: times, ..measured })
}

/// The sum, seen by nobody before it is asked for.
fn sum(numbers: &[u64]) -> u64 {
    std::hint::black_box(numbers).iter().sum()
}

fn sums_of_own(threads: usize, (numbers, times): (u64, u64)) -> Outcome {
    let numbers: Vec<u64> = (0..numbers).collect();
    let part = numbers.len().div_ceil(threads);
    let start = stamp();
    for _ in 0..times {
        let total: u64 = std::thread::scope(|scope| {
            let parts: Vec<_> = numbers.chunks(part).map(|part| scope.spawn(move || sum(part))).collect();
            parts.into_iter().filter_map(|part| part.join().ok()).sum()
        });
        check("sum", &total, &crate::item::sum_of(numbers.len() as u64))?;
    }
    Ok(Measured::between(times, start, stamp()))
}
