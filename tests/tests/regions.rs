//! Shared memory between processes: how long it lives, by name and by handle, whoever is killed, stopped or leaves.
//!
//! `STORM_ROUNDS=1000 cargo test --release -p callboard-tests --test regions` runs more rounds.

#[path = "regions/lives.rs"]
mod lives;
#[path = "regions/made.rs"]
mod made;
#[path = "regions/storm.rs"]
mod storm;
#[path = "regions/views.rs"]
mod views;

use std::fs;

use callboard::{NameError, Node, Process, Queue, Region, RegionOptions};
use callboard_tests::{PATIENCE, eventually, send_signal, stop_state};

callboard::test_door!();

const SIZE: usize = 10_000;
const NAME: &str = "/region";

/// Creates the region, writes its mark, tells, and is there until it is told to end.
fn creates(node: &Node, told: Queue<u64>) {
    let region: Region = node.create(NAME, RegionOptions::new(SIZE)).unwrap();
    region.map().unwrap().write(0, b"mark").unwrap();
    told.put_confirmed(1).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Has it mapped until it is told to end.
fn holds(node: &Node, (region, told): (Region, Queue<u64>)) {
    let mapping = region.map().unwrap();
    told.put_confirmed(2).unwrap();
    while !node.wait_stopping(PATIENCE) {}
    assert_eq!(has_mark(&region), mapping.read(0, &mut [0; 4]).is_ok());
}

fn has_mark(region: &Region) -> bool {
    let mut mark = [0; 4];
    region.map_read_only().unwrap().read(0, &mut mark).unwrap();
    &mark == b"mark"
}

/// How many descriptors of regions, and mappings of them, this process has.
fn held_here() -> (usize, usize) {
    let links =
        fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    let of_region = |name: &str| name.contains("/memfd:callboard-region");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mappings = maps.lines().filter(|line| of_region(line)).count();
    (links.filter(|target| of_region(&target.to_string_lossy())).count(), mappings)
}

/// Whether name and memory are gone from the whole job, as seen from its root, now.
#[track_caller]
fn is_gone(root: &Node, name: &str) {
    assert_eq!(root.open::<Region>(name).map(drop), Err(NameError::NotFound(name.to_owned())));
    assert_eq!(held_here(), (0, 0));
}

fn stop<R>(process: &Process<R>) {
    send_signal(process.pid(), 19);
    eventually("it is stopped", || stop_state(process.pid()) == Some('T'));
}
