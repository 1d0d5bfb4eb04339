//! Producers and consumers killed with SIGKILL at random moments: what is lost, what comes twice, what goes on.
//!
//! `STORM_ROUNDS=1000 cargo test --release -p callboard-tests --test storm` runs many more rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use callboard::{JoinError, Node, Process, Queue, QueueOptions};
use callboard_tests::{PATIENCE, Random, die_at, eventually, pause, reached, rounds, send_signal};

callboard::test_door!();

/// Leases numbers, passes each on and settles it.
fn lease_and_pass_on(_: &Node, (work, done): (Queue<u64>, Queue<u64>)) {
    while let Ok(lease) = work.lease() {
        done.put_confirmed(*lease).unwrap();
        lease.ack();
    }
}

/// As that, and dies at a step of the third round.
fn lease_and_die(_: &Node, (work, done, step): (Queue<u64>, Queue<u64>, String)) {
    die_at(&step, 3);
    while let Ok(lease) = work.lease() {
        reached("leased");
        done.put_confirmed(*lease).unwrap();
        reached("passed on");
        lease.ack();
        reached("acknowledged");
    }
}

/// > At whatever step a worker with a lease is killed, no item is missing, and the one in its hands comes once more at most.
#[test]
fn a_worker_killed_at_any_step_of_its_work_loses_nothing() {
    const ITEMS: u64 = 6;
    let node = Node::start().unwrap();
    for (step, twice) in [("leased", 0), ("passed on", 1), ("acknowledged", 1)] {
        let (work, done): (Queue<u64>, Queue<u64>) =
            (node.anonymous(QueueOptions::new()), node.anonymous(QueueOptions::new()));
        work.put_many(0..ITEMS).unwrap();
        work.close().unwrap();
        let dies = node.process("dies").stderr_null();
        let dies = dies.spawn(lease_and_die, (work.clone(), done.clone(), step.to_owned())).unwrap();
        assert!(matches!(dies.join(), Err(JoinError::Signalled { signal: 9, .. })));
        assert_eq!(done.len(), Ok(if step == "leased" { 2 } else { 3 }), "{step}");
        lease_and_pass_on(&node, (work.clone(), done.clone()));
        done.close().unwrap();
        let mut came: Vec<u64> = done.iter().collect();
        let more = came.len() as u64 - ITEMS;
        came.sort_unstable();
        came.dedup();
        assert!(came.into_iter().eq(0..ITEMS), "{step}");
        assert!(more <= twice, "{more} came twice, killed when {step}");
    }
}

/// Writes each number to a file, with one write, as soon as it has it.
fn get_and_write(_: &Node, (work, path): (Queue<u64>, PathBuf)) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    while let Ok(n) = work.get() {
        file.write_all(&n.to_le_bytes()).unwrap();
    }
}

/// Puts pairs of its own number and a count, without end.
fn put_counts(_: &Node, (queue, producer): (Queue<(u64, u64)>, u64)) {
    for n in 0.. {
        if queue.put((producer, n)).is_err() {
            return;
        }
    }
}

/// Three workers, one of which is killed now and then and replaced.
struct Crew<'a> {
    hire: Box<dyn Fn() -> Process<()> + 'a>,
    workers: Vec<Process<()>>,
    kills: u64,
}

impl<'a> Crew<'a> {
    fn new(hire: impl Fn() -> Process<()> + 'a) -> Self {
        let workers = (0..3).map(|_| hire()).collect();
        Self { hire: Box::new(hire), workers, kills: 0 }
    }

    fn kill_one(&mut self, random: &mut Random) {
        let index = random.below(self.workers.len() as u64) as usize;
        let old = std::mem::replace(&mut self.workers[index], (self.hire)());
        send_signal(old.pid(), 9);
        let _ = old.join();
        self.kills += 1;
    }

    fn join(self) {
        for worker in self.workers {
            worker.join().unwrap();
        }
    }
}

/// > With leases nothing is lost, whichever consumer is killed and how often.
#[test]
fn with_leases_nothing_is_lost_whoever_is_killed() {
    const ITEMS: u64 = 2000;
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for _ in 0..rounds(3) {
        let options = || QueueOptions::new().max_attempts(1_000_000);
        let (work, done): (Queue<u64>, Queue<u64>) = (node.anonymous(options()), node.anonymous(options()));
        work.put_many(0..ITEMS).unwrap();
        let mut crew =
            Crew::new(|| node.spawn("leases", lease_and_pass_on, (work.clone(), done.clone())).unwrap());
        let mut seen = BTreeSet::new();
        while seen.len() < ITEMS as usize || crew.kills < 4 {
            crew.kill_one(&mut random);
            pause(random.time(Duration::from_millis(8)));
            while let Ok(n) = done.try_get() {
                seen.insert(n);
            }
        }
        assert!(work.join_timeout(PATIENCE).unwrap(), "an item is neither settled nor there");
        assert_eq!(work.dead_letters().unwrap().1, 0);
        work.close().unwrap();
        crew.join();
    }
}

/// > A plain `get` loses at most one item for each killed thread, and none comes twice.
#[test]
fn plain_gets_lose_at_most_one_item_for_each_killed_thread_and_none_comes_twice() {
    const ITEMS: u64 = 20_000;
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for _ in 0..rounds(5) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let work: Queue<u64> = node.anonymous(QueueOptions::new());
        let mut crew =
            Crew::new(|| node.spawn("writes", get_and_write, (work.clone(), path.clone())).unwrap());
        let putter = {
            let work = work.clone();
            std::thread::spawn(move || work.put_many(0..ITEMS).unwrap())
        };
        while !(putter.is_finished() && work.is_empty().unwrap()) {
            pause(random.time(Duration::from_millis(6)));
            crew.kill_one(&mut random);
        }
        putter.join().unwrap();
        work.close().unwrap();
        let kills = crew.kills;
        crew.join();
        let bytes = std::fs::read(&path).unwrap();
        let mut seen: Vec<u64> =
            bytes.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
        let count = seen.len() as u64;
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len() as u64, count, "an item came twice, after {kills} kills");
        assert!(count + kills >= ITEMS, "{} items lost with {kills} kills", ITEMS - count);
    }
}

/// > A killed producer leaves whole items, in order, and the others go on.
#[test]
fn killed_producers_leave_whole_items_in_order_and_the_others_go_on() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for _ in 0..rounds(5) {
        let queue: Queue<(u64, u64)> = node.anonymous(QueueOptions::new().capacity(500));
        let next = std::cell::Cell::new(0);
        let mut crew = Crew::new(|| {
            next.set(next.get() + 1);
            node.spawn("puts", put_counts, (queue.clone(), next.get())).unwrap()
        });
        let mut came: BTreeMap<u64, u64> = BTreeMap::new();
        let mut take = |(producer, n): (u64, u64)| {
            let expected = came.entry(producer).or_default();
            assert_eq!(n, *expected, "of producer {producer}");
            *expected += 1;
        };
        for _ in 0..20 {
            crew.kill_one(&mut random);
            for _ in 0..random.below(3000) {
                take(queue.get().unwrap());
            }
        }
        queue.close().unwrap();
        queue.iter().for_each(take);
        crew.join();
    }
}

/// > Consumers of a third process's queue may be killed too.
#[test]
fn consumers_of_a_queue_owned_by_a_third_process_are_killed_and_the_rest_is_exact() {
    fn owns(node: &Node, (): ()) {
        let _queue: Queue<u64> = node.create("/work", QueueOptions::new().max_attempts(1_000_000)).unwrap();
        node.wait_stopping(PATIENCE);
    }
    const ITEMS: u64 = 1000;
    for _ in 0..rounds(3) {
        let node = Node::start().unwrap();
        let mut random = Random::new();
        let owner = node.spawn("owner", owns, ()).unwrap();
        let work: Queue<u64> = node.open_timeout("/work", PATIENCE).unwrap();
        let done: Queue<u64> = node.anonymous(QueueOptions::new());
        let mut crew =
            Crew::new(|| node.spawn("leases", lease_and_pass_on, (work.clone(), done.clone())).unwrap());
        work.put_many(0..ITEMS).unwrap();
        let mut seen = BTreeSet::new();
        while seen.len() < ITEMS as usize {
            crew.kill_one(&mut random);
            pause(random.time(Duration::from_millis(8)));
            while let Ok(n) = done.try_get() {
                seen.insert(n);
            }
        }
        assert!(work.join_timeout(PATIENCE).unwrap());
        work.close().unwrap();
        crew.join();
        owner.terminate(PATIENCE);
        owner.join().unwrap();
    }
}

/// > Stopped and continued consumers lose nothing.
#[test]
fn stopped_and_continued_consumers_lose_nothing() {
    const ITEMS: u64 = 20_000;
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    let work: Queue<u64> = node.anonymous(QueueOptions::new().capacity(1000));
    let consumers: Vec<_> =
        (0..3).map(|_| node.spawn("writes", get_and_write, (work.clone(), path.clone())).unwrap()).collect();
    let putter = {
        let work = work.clone();
        std::thread::spawn(move || {
            work.put_many(0..ITEMS).unwrap();
            work.close().unwrap();
        })
    };
    while consumers.iter().any(Process::is_alive) {
        let consumer = random.pick(&consumers);
        send_signal(consumer.pid(), 19);
        pause(random.time(Duration::from_millis(10)));
        send_signal(consumer.pid(), 18);
    }
    putter.join().unwrap();
    eventually("all have ended", || !consumers.iter().any(Process::is_alive));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut File::open(path).unwrap(), &mut bytes).unwrap();
    let mut seen: Vec<u64> =
        bytes.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..ITEMS));
}

/// > Whenever an owner is killed, everyone who puts, gets, leases, confirms or joins there is told, whatever it was doing.
#[test]
fn an_owner_killed_at_any_moment_leaves_nobody_waiting() {
    fn owns(node: &Node, name: String) {
        let _queue: Queue<u64> = node.create(&name, QueueOptions::new().capacity(20)).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    /// Does one thing over and over until it fails; what it was told.
    fn insists(_: &Node, (queue, how): (Queue<u64>, u64)) -> String {
        loop {
            let told = match how {
                0 => queue.put(1).map_err(|error| error.to_string()),
                1 => queue.put_confirmed(1).map_err(|error| error.to_string()),
                2 => queue.get().map(drop).map_err(|error| error.to_string()),
                3 => queue.lease().map(|lease| lease.ack()).map_err(|error| error.to_string()),
                4 => queue.get_many(7).map(drop).map_err(|error| error.to_string()),
                5 => {
                    queue.join_timeout(Duration::from_millis(1)).map(drop).map_err(|error| error.to_string())
                }
                _ => queue.len().map(drop).map_err(|error| error.to_string()),
            };
            if let Err(told) = told {
                return told;
            }
        }
    }
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(20) {
        let name = format!("/owned/{round}");
        let owner = node.spawn("owner", owns, name.clone()).unwrap();
        let queue: Queue<u64> = node.open_timeout(&name, PATIENCE).unwrap();
        let busy: Vec<_> = [0, 0, 1, 2, 3, 4, 5, 6]
            .map(|how| node.spawn("insists", insists, (queue.clone(), how)).unwrap())
            .into_iter()
            .collect();
        pause(random.time(Duration::from_millis(15)));
        if round % 3 == 0 {
            send_signal(owner.pid(), 19);
            pause(random.time(Duration::from_millis(3)));
        }
        owner.kill().unwrap();
        for process in busy {
            let told = process.join_timeout(PATIENCE).unwrap();
            assert!(told.contains("owner has ended"), "{told}");
        }
        assert!(queue.put(1).is_err());
    }
}
