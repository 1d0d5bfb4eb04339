//! How long a region lives.

use std::time::Duration;

use callboard::testing::job;
use callboard::{NameError, Node, Queue, QueueOptions, Region, RegionError, RegionOptions, UnlinkError};
use callboard_tests::{PATIENCE, eventually, send_signal};

use crate::{NAME, SIZE, creates, has_mark, held_here, holds, is_gone, stop};

/// The ways in which a process is killed: at once, or stopped before.
const STOPPED: [bool; 2] = [false, true];

/// > A region goes on when the process that created it is killed, as long as another has it mapped: by handle and by name.
#[test]
fn a_killed_creator_leaves_the_region_to_those_who_have_it() {
    let job = job();
    let told: Queue<u64> = job.anonymous(QueueOptions::new());
    for stopped in STOPPED {
        let creator = job.process("creator").stderr_null().spawn(creates, told.clone()).unwrap();
        let region: Region = job.open_timeout(NAME, PATIENCE).unwrap();
        assert_eq!(told.get(), Ok(1));
        let holder = job.spawn("holder", holds, (region.clone(), told.clone())).unwrap();
        assert_eq!(told.get(), Ok(2));
        assert_eq!(region.holders(), Ok(2));
        if stopped {
            stop(&creator);
        }
        send_signal(creator.pid(), 9);
        assert!(creator.join().is_err());
        assert_eq!(region.holders(), Ok(1));
        assert!(has_mark(&region));
        // A third one, and one more that comes and goes.
        let third: Region = job.open(NAME).unwrap();
        let third = job.spawn("third", holds, (third, told.clone())).unwrap();
        assert_eq!(told.get(), Ok(2));
        assert_eq!(region.holders(), Ok(2));
        for process in [holder, third] {
            process.terminate(PATIENCE);
            process.join().unwrap();
        }
        assert_eq!(region.size_bytes(), Err(RegionError::Gone));
        is_gone(&job, NAME);
    }
}

/// > With the last who has it a region is gone, its name free and its descriptor at the root closed: at the join of that process at the latest,
/// > however it was killed.
#[test]
fn with_the_last_holder_killed_all_is_gone() {
    let job = job();
    let told: Queue<u64> = job.anonymous(QueueOptions::new());
    for (stopped, creator_last) in STOPPED.into_iter().flat_map(|stopped| [(stopped, false), (stopped, true)])
    {
        let creator = job.process("creator").stderr_null().spawn(creates, told.clone()).unwrap();
        let region: Region = job.open_timeout(NAME, PATIENCE).unwrap();
        assert_eq!(told.get(), Ok(1));
        let holder =
            job.process("holder").stderr_null().spawn(holds, (region.clone(), told.clone())).unwrap();
        assert_eq!(told.get(), Ok(2));
        assert_eq!(held_here(), (1, 0), "the root keeps the descriptor and maps nothing");
        let order = if creator_last { [&holder, &creator] } else { [&creator, &holder] };
        for (at, process) in order.into_iter().enumerate() {
            assert_eq!(region.holders(), Ok(2 - at));
            if stopped {
                stop(process);
            }
            send_signal(process.pid(), 9);
            assert!(process.join().is_err());
        }
        is_gone(&job, NAME);
        for _ in 0..2 {
            assert_eq!(region.map().map(drop), Err(RegionError::Gone));
            assert_eq!(region.holders(), Err(RegionError::Gone));
            assert_eq!(region.unlink(), Err(UnlinkError::Region(RegionError::Gone)));
            assert_eq!(region.close(), Ok(()));
        }
    }
}

/// > Whoever attaches to a region and leaves, in whatever way, changes nothing for the others.
#[test]
fn whoever_attaches_and_leaves_destroys_nothing() {
    fn attaches(node: &Node, how: u32) {
        let region: Region = node.open(NAME).unwrap();
        let mapping = region.map().unwrap();
        assert!(has_mark(&region));
        match how {
            0 => drop(mapping),
            1 => std::process::exit(0),
            2 => std::process::exit(3),
            3 => panic!("as it is meant to"),
            4 => std::process::abort(),
            _ => callboard::testing::kill_self(),
        }
    }
    let job = job();
    let region: Region = job.create(NAME, RegionOptions::new(SIZE)).unwrap();
    region.map().unwrap().write(0, b"mark").unwrap();
    for how in 0..6 {
        let child = job.process("attaches").stderr_null().spawn(attaches, how).unwrap();
        assert_eq!(child.join().is_ok(), how == 0, "{how}");
        assert!(has_mark(&region), "{how}");
        assert_eq!(region.holders(), Ok(1));
    }
    let guest = Node::join(&job.job()).unwrap();
    assert!(has_mark(&guest.open(NAME).unwrap()));
    drop(guest);
    eventually("the guest has left", || region.holders() == Ok(1));
    assert!(has_mark(&job.open(NAME).unwrap()));
}

/// > A handle, or a name that was opened, keeps no region: a node has it that created it, or has it mapped.
#[test]
fn handles_keep_nothing() {
    fn hands_on(node: &Node, (): ()) -> Region {
        node.create(NAME, RegionOptions::new(SIZE)).unwrap()
    }
    let job = job();
    let region = job.spawn("hands on", hands_on, ()).unwrap().join().unwrap();
    assert_eq!(region.map().map(drop), Err(RegionError::Gone));
    is_gone(&job, NAME);
    let region: Region = job.create(NAME, RegionOptions::new(SIZE)).unwrap();
    drop(region.clone());
    assert_eq!(region.holders(), Ok(1));
    let (one, other) = (region.map().unwrap(), region.map_read_only().unwrap());
    assert_eq!(held_here(), (1, 2));
    assert_eq!(region.holders(), Ok(1), "a node counts once");
    region.close().unwrap();
    drop(one);
    assert_eq!(region.holders(), Ok(1));
    assert!(job.open::<Region>(NAME).is_ok());
    drop(other);
    assert_eq!(region.holders(), Err(RegionError::Gone));
    is_gone(&job, NAME);
}

/// > An unlinked name is free when `unlink` returns, a second time is an error, and those who have the region go on.
#[test]
fn an_unlinked_name_is_free_and_the_memory_goes_on() {
    fn unlinks(node: &Node, told: Queue<u64>) {
        let region: Region = node.open(NAME).unwrap();
        let mapping = region.map().unwrap();
        region.unlink().unwrap();
        assert_eq!(region.unlink(), Err(UnlinkError::NoName));
        assert_eq!(node.open::<Region>(NAME).map(drop), Err(NameError::NotFound(NAME.to_owned())));
        let fresh: Region = node.create(NAME, RegionOptions::new(1)).unwrap();
        assert_eq!(fresh.size_bytes(), Ok(1));
        told.put_confirmed(1).unwrap();
        while !node.wait_stopping(PATIENCE) {}
        drop(mapping);
    }
    let job = job();
    let told: Queue<u64> = job.anonymous(QueueOptions::new());
    let region: Region = job.create(NAME, RegionOptions::new(SIZE)).unwrap();
    region.map().unwrap().write(0, b"mark").unwrap();
    let child = job.spawn("unlinks", unlinks, told.clone()).unwrap();
    assert_eq!(told.get(), Ok(1));
    assert_eq!(region.unlink(), Err(UnlinkError::NoName));
    assert_eq!((has_mark(&region), region.holders()), (true, Ok(2)));
    // The end of the one leaves the name to the other.
    region.close().unwrap();
    let fresh: Region = job.open(NAME).unwrap();
    assert_eq!(fresh.size_bytes(), Ok(1));
    child.terminate(PATIENCE);
    child.join().unwrap();
    assert_eq!(region.holders(), Err(RegionError::Gone));
    is_gone(&job, NAME);
    let anonymous = Region::anonymous(&job, RegionOptions::new(1)).unwrap();
    assert_eq!(anonymous.unlink(), Err(UnlinkError::NoName));
}

/// > A stopped process that has a region keeps it, and harms nobody who uses, opens, unlinks or creates regions.
#[test]
fn stopped_holders_harm_nobody() {
    fn uses(node: &Node, (): ()) {
        let region: Region = node.open(NAME).unwrap();
        let mapping = region.map().unwrap();
        mapping.write(SIZE - 4, b"used").unwrap();
        region.unlink().unwrap();
        let other: Region = node.create("/other", RegionOptions::new(SIZE)).unwrap();
        other.map().unwrap().write(0, b"mark").unwrap();
        other.close().unwrap();
        assert_eq!(region.holders(), Ok(3));
    }
    let job = job();
    let told: Queue<u64> = job.anonymous(QueueOptions::new());
    let creator = job.process("creator").stderr_null().spawn(creates, told.clone()).unwrap();
    assert_eq!(told.get(), Ok(1));
    let region: Region = job.open(NAME).unwrap();
    let holder = job.spawn("holder", holds, (region.clone(), told.clone())).unwrap();
    assert_eq!(told.get(), Ok(2));
    stop(&creator);
    stop(&holder);
    job.spawn("uses", uses, ()).unwrap().join_timeout(PATIENCE).unwrap();
    assert!(has_mark(&region));
    assert_eq!(region.holders(), Ok(2));
    send_signal(creator.pid(), 9);
    assert!(creator.join().is_err());
    assert_eq!(region.holders(), Ok(1), "it is stopped, and has it");
    send_signal(holder.pid(), 18);
    holder.terminate(PATIENCE);
    holder.join().unwrap();
    assert_eq!(region.holders(), Err(RegionError::Gone));
}

/// > What is mapped stays when the root ends, and its handle says `Disconnected`.
#[test]
fn a_mapping_outlives_the_root() {
    // The others look at all that this process holds of regions.
    let _turn = job();
    let root = Node::start().unwrap();
    let guest = Node::join(&root.job()).unwrap();
    let region: Region = guest.create(NAME, RegionOptions::new(SIZE)).unwrap();
    let mapping = region.map().unwrap();
    drop(root);
    eventually("the end of the root is told", || region.holders() == Err(RegionError::Disconnected));
    assert_eq!(region.map().map(drop), Err(RegionError::Disconnected));
    mapping.write(0, b"mark").unwrap();
    let mut mark = [0; 4];
    mapping.read(0, &mut mark).unwrap();
    assert_eq!(&mark, b"mark");
    let created = guest.create::<Region>("/other", RegionOptions::new(SIZE));
    assert_eq!(created.map(drop), Err(NameError::Disconnected));
    drop((region, mapping, guest));
    eventually("nothing is left", || held_here() == (0, 0));
}

/// > A name is waited for: `open_timeout` returns when the region is created.
#[test]
fn a_region_is_waited_for_by_its_name() {
    let job = job();
    let told: Queue<u64> = job.anonymous(QueueOptions::new());
    assert!(job.open_timeout::<Region>(NAME, Duration::from_millis(1)).is_err());
    let waits = std::thread::spawn({
        let node = Node::clone(&job);
        move || node.open_timeout::<Region>(NAME, PATIENCE).map(|region| region.size_bytes())
    });
    let creator = job.spawn("creator", creates, told).unwrap();
    assert_eq!(waits.join().unwrap().unwrap(), Ok(SIZE));
    creator.terminate(PATIENCE);
    creator.join().unwrap();
}
