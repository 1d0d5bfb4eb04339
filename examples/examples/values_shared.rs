// cargo run --release -p callboard-examples --example values_shared
//! Numbers that processes share: a counter under its lock, and what becomes of it without; an array that another process changes.

use callboard::{Array, ArrayOptions, Failure, Node, Process, SpawnError, Value, ValueOptions};

/// Reads and writes in two steps, with the lock in hand.
fn count_locked(_: &Node, (count, times): (Value<u64>, u64)) -> Result<(), Failure> {
    for _ in 0..times {
        *count.lock()? += 1;
    }
    Ok(())
}

/// The same two steps without it: on purpose, and wrong.
fn count_in_two_steps(_: &Node, (count, times): (Value<u64>, u64)) -> Result<(), Failure> {
    for _ in 0..times {
        let before = count.get()?;
        // Others come between.
        std::thread::yield_now();
        count.set(before + 1)?;
    }
    Ok(())
}

/// One step, for which no lock is needed.
fn count_in_one_step(_: &Node, (count, times): (Value<u64>, u64)) -> Result<(), Failure> {
    for _ in 0..times {
        count.add(1)?;
    }
    Ok(())
}

/// What the counter comes to when so many processes count so often.
fn counted(
    node: &Node,
    processes: u64,
    times: u64,
    start: impl Fn(&Node, Value<u64>, u64) -> Result<Process<Result<(), Failure>>, SpawnError>,
) -> Result<u64, Box<dyn std::error::Error>> {
    let count: Value<u64> = Value::anonymous(node, ValueOptions::new(0))?;
    let children: Vec<_> =
        (0..processes).map(|_| start(node, count.clone(), times)).collect::<Result<_, _>>()?;
    for child in children {
        child.join()??;
    }
    Ok(count.get()?)
}

fn double(_: &Node, numbers: Array<f64>) -> Result<(), Failure> {
    numbers.write(..)?.iter_mut().for_each(|number| *number *= 2.0);
    Ok(())
}

fn negate(_: &Node, numbers: Array<i64>) -> Result<(), Failure> {
    numbers.write(..)?.iter_mut().for_each(|number| *number = -*number);
    Ok(())
}

fn negate_own(_: &Node, mut numbers: Vec<i64>) -> (Vec<i64>, Vec<i64>) {
    let given = numbers.clone();
    numbers.iter_mut().for_each(|number| *number = -*number);
    (given, numbers)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;

    for (processes, times) in [(5, 1_000), (4, 10_000), (2, 10_000)] {
        let start = |node: &Node, count, times| node.spawn("counts", count_locked, (count, times));
        println!("{processes} x {times} under the lock: {}", counted(&node, processes, times, start)?);
    }
    let start = |node: &Node, count, times| node.spawn("counts", count_in_two_steps, (count, times));
    let lost = counted(&node, 2, 10_000, start)? < 20_000;
    println!("2 x 10000 in two steps without it, some are lost: {lost}");
    let start = |node: &Node, count, times| node.spawn("counts", count_in_one_step, (count, times));
    println!("2 x 10000 in one step: {}", counted(&node, 2, 10_000, start)?);

    let doubles: Array<f64> = node.create("/doubles", ArrayOptions::with([1.0, 2.0, 3.0, 4.0, 5.0]))?;
    node.spawn("doubles", double, doubles.clone())?.join()??;
    println!("doubled by a child: {:?}", doubles.to_vec(..)?);

    let ordinary = vec![1, 2, 3, 4];
    for name in ["first", "second"] {
        let (given, made) = node.spawn(name, negate_own, ordinary.clone())?.join()?;
        println!("the {name} child is given {given:?} and makes {made:?}; here it is {ordinary:?}");
    }
    let shared: Array<i64> = Array::anonymous(&node, ArrayOptions::with(ordinary))?;
    for name in ["first", "second"] {
        node.spawn(name, negate, shared.clone())?.join()??;
        println!("negated by the {name} child, where it is shared: {:?}", shared.to_vec(..)?);
    }
    Ok(())
}
