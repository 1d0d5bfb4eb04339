//! Dicts and lists of this project, in a process of their own, asked from here or from other processes.

use std::time::{Duration, Instant};

use callboard::{
    Dict, DictOptions, Event, EventOptions, List, ListOptions, Manager, Node, Queue, QueueOptions,
};

use super::latency::Latencies;
use crate::clock::stamp;
use crate::harness::{Bench, Measured, Outcome, Trouble, check};
use crate::item::sum_of;

/// How long a manager may take to end.
const SOON: Duration = Duration::from_secs(10);
/// Operations before the clock starts, of each client.
const WARM_UP: u64 = 100;
/// How many keys there are, and how many of them are asked for at once in the row of many.
const KEYS: u64 = 1000;

/// What a child says if something went wrong.
type Said<R> = Result<R, String>;

/// A dict of `KEYS` numbers, each its own key, in a process of its own.
struct Hosted {
    manager: Manager,
    dict: Dict<u64, u64>,
}

impl Hosted {
    fn start(node: &Node) -> Result<Self, Trouble> {
        let manager = Manager::start(node, "/dicts")?;
        let dict = manager.host().run(|node, ()| node.anonymous(DictOptions::new()), ())?;
        let hosted = Self { manager, dict };
        hosted.dict.insert_many((0..KEYS).map(|key| (key, key)))?;
        Ok(hosted)
    }

    /// Ends the process, after a look at what it holds.
    fn end(self, len: u64, sum: u64) -> Result<(), Trouble> {
        check("count of entries", &(self.dict.len()? as u64), &len)?;
        check("sum of values", &self.dict.values()?.iter().sum(), &sum)?;
        Ok(self.manager.shutdown(SOON)?)
    }
}

/// Times `turn` of each number, one after the other.
fn timed(count: u64, mut turn: impl FnMut(u64) -> Result<(), Trouble>) -> Outcome {
    let mut latencies = Latencies::new(count, 1);
    for number in 0..WARM_UP + count {
        let start = Instant::now();
        turn(number)?;
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    Ok(latencies.measured())
}

/// What the numbers of so many turns add up to, each taken modulo the count of keys.
fn sum_of_keys(turns: u64) -> u64 {
    turns / KEYS * sum_of(KEYS) + sum_of(turns % KEYS)
}

/// One value after the other.
pub(super) fn get(bench: &Bench, count: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let mut sum = 0;
    let measured = timed(count, |number| {
        sum += hosted.dict.get(&(number % KEYS))?.unwrap_or(0);
        Ok(())
    })?;
    check("sum of what was got", &sum, &sum_of_keys(WARM_UP + count))?;
    hosted.end(KEYS, sum_of(KEYS))?;
    Ok(measured)
}

/// One value replaced after the other; `insert` gives the one before.
pub(super) fn set(bench: &Bench, count: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let mut before = 0;
    let measured = timed(count, |number| {
        before += hosted.dict.insert(number % KEYS, number)?.unwrap_or(0);
        Ok(())
    })?;
    // Whatever was ever put was replaced or is there.
    let left = sum_of(KEYS) + sum_of(WARM_UP + count) - before;
    hosted.end(KEYS, left)?;
    Ok(measured)
}

/// One number added to after the other, where it is.
pub(super) fn add(bench: &Bench, count: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let measured = timed(count, |number| {
        hosted.dict.add(&(number % KEYS), 1)?;
        Ok(())
    })?;
    hosted.end(KEYS, sum_of(KEYS) + WARM_UP + count)?;
    Ok(measured)
}

/// Puts values without waiting for each, then waits for all.
pub(super) fn cast(bench: &Bench, count: u64) -> Outcome {
    one_way(bench, count, |dict, number| dict.cast_insert(number % KEYS, number))
}

/// Waits for each.
pub(super) fn called(bench: &Bench, count: u64) -> Outcome {
    one_way(bench, count, |dict, number| dict.insert(number % KEYS, number).map(drop))
}

fn one_way(
    bench: &Bench,
    count: u64,
    put: fn(&Dict<u64, u64>, u64) -> Result<(), callboard::DictError>,
) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let start = stamp();
    for number in 0..count {
        put(&hosted.dict, number)?;
    }
    hosted.dict.flush()?;
    let end = stamp();
    // The last value of each key is there; counts are multiples of `KEYS`.
    let first = count - KEYS;
    hosted.end(KEYS, KEYS * first + sum_of(KEYS))?;
    Ok(Measured::between(count, start, end))
}

/// Adds without waiting for each, then waits for all.
pub(super) fn cast_add(bench: &Bench, count: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let start = stamp();
    for number in 0..count {
        hosted.dict.cast_add(&(number % KEYS), 1)?;
    }
    hosted.dict.flush()?;
    let end = stamp();
    hosted.end(KEYS, sum_of(KEYS) + count)?;
    Ok(Measured::between(count, start, end))
}

/// A client of several: says that it is ready, and then gets one value after the other. The sum, and between which stamps.
fn client(
    _: &Node,
    (dict, ready, go, count): (Dict<u64, u64>, Queue<()>, Event, u64),
) -> Said<(u64, u64, u64)> {
    let get = |number: u64| match dict.get(&(number % KEYS)) {
        Ok(value) => Ok(value.unwrap_or(0)),
        Err(error) => Err(error.to_string()),
    };
    for number in 0..WARM_UP {
        get(number)?;
    }
    ready.put(()).map_err(|error| error.to_string())?;
    go.wait().map_err(|error| error.to_string())?;
    let (start, mut sum) = (stamp(), 0);
    for number in 0..count {
        sum += get(number)?;
    }
    Ok((sum, start, stamp()))
}

/// So many processes at once get one value after the other; `count` is that of all.
pub(super) fn clients(bench: &Bench, clients: u64, count: u64) -> Outcome {
    let node = &bench.node;
    let hosted = Hosted::start(node)?;
    let ready: Queue<()> = node.anonymous(QueueOptions::new());
    let go: Event = node.anonymous(EventOptions::new());
    let each = count / clients;
    let mut children = Vec::new();
    for _ in 0..clients {
        let args = (hosted.dict.clone(), ready.clone(), go.clone(), each);
        children.push(node.spawn("client", client, args)?);
    }
    for _ in 0..clients {
        ready.get()?;
    }
    go.set().map_err(Trouble::failed)?;
    let (mut first, mut last) = (u64::MAX, 0);
    for child in children {
        let (sum, start, end) = child.join()?.map_err(Trouble::Failed)?;
        check("sum of what a client got", &sum, &sum_of_keys(each))?;
        (first, last) = (first.min(start), last.max(end));
    }
    hosted.end(KEYS, sum_of(KEYS))?;
    Ok(Measured::between(each * clients, first, last))
}

/// All keys asked for at once, so many times; an operation is a key.
pub(super) fn get_many(bench: &Bench, times: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let keys: Vec<u64> = (0..KEYS).collect();
    let start = stamp();
    for _ in 0..times {
        let values = hosted.dict.get_many(&keys)?;
        check("sum of what was got", &values.iter().flatten().sum(), &sum_of(KEYS))?;
    }
    let end = stamp();
    hosted.end(KEYS, sum_of(KEYS))?;
    Ok(Measured::between(times * KEYS, start, end))
}

/// All keys put at once, so many times; an operation is a key.
pub(super) fn insert_many(bench: &Bench, times: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let start = stamp();
    for time in 0..times {
        hosted.dict.insert_many((0..KEYS).map(|key| (key, key + time)))?;
    }
    let end = stamp();
    hosted.end(KEYS, sum_of(KEYS) + KEYS * (times - 1))?;
    Ok(Measured::between(times * KEYS, start, end))
}

/// The whole dict copied, so many times; an operation is a key.
pub(super) fn snapshot(bench: &Bench, times: u64) -> Outcome {
    let hosted = Hosted::start(&bench.node)?;
    let start = stamp();
    for _ in 0..times {
        let entries = hosted.dict.snapshot()?;
        check("sum of what was got", &entries.iter().map(|(_, value)| value).sum(), &sum_of(KEYS))?;
    }
    let end = stamp();
    hosted.end(KEYS, sum_of(KEYS))?;
    Ok(Measured::between(times * KEYS, start, end))
}

/// A list in a process of its own, empty.
fn hosted_list(node: &Node) -> Result<(Manager, List<u64>), Trouble> {
    let manager = Manager::start(node, "/lists")?;
    let list = manager.host().run(|node, ()| node.anonymous(ListOptions::new()), ())?;
    Ok((manager, list))
}

/// One element appended after the other.
pub(super) fn push(bench: &Bench, count: u64) -> Outcome {
    let (manager, list) = hosted_list(&bench.node)?;
    let measured = timed(count, |number| {
        let length = list.push(number)? as u64;
        check("length", &length, &(number + 1))
    })?;
    check("sum of elements", &list.snapshot()?.iter().sum(), &sum_of(WARM_UP + count))?;
    manager.shutdown(SOON)?;
    Ok(measured)
}

/// One element got after the other.
pub(super) fn element(bench: &Bench, count: u64) -> Outcome {
    let (manager, list) = hosted_list(&bench.node)?;
    list.extend(0..KEYS)?;
    let mut sum = 0;
    let measured = timed(count, |number| {
        sum += list.get((number % KEYS) as usize)?.unwrap_or(0);
        Ok(())
    })?;
    check("sum of what was got", &sum, &sum_of_keys(WARM_UP + count))?;
    manager.shutdown(SOON)?;
    Ok(measured)
}

/// Elements appended without waiting for each, then waited for.
pub(super) fn cast_push(bench: &Bench, count: u64) -> Outcome {
    let (manager, list) = hosted_list(&bench.node)?;
    let start = stamp();
    for number in 0..count {
        list.cast_push(number)?;
    }
    list.flush()?;
    let end = stamp();
    check("sum of elements", &list.snapshot()?.iter().sum(), &sum_of(count))?;
    manager.shutdown(SOON)?;
    Ok(Measured::between(count, start, end))
}
