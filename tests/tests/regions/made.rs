//! How regions are made, and when they are not.

use callboard::testing::{Job, job};
use callboard::{
    NameError, Node, Process, PutError, Queue, QueueOptions, Region, RegionError, RegionOptions, UnlinkError,
};
use callboard_tests::{PATIENCE, rounds};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{NAME, SIZE, has_mark, held_here, is_gone};

/// > A region for which there is no room, or of an impossible size, is an error of its creation that says so, and leaves nothing.
#[test]
fn a_region_without_room_is_an_error_where_it_is_created() {
    fn fails(node: &Node, (): ()) {
        let tried = [(0, "1 to"), (usize::MAX, "1 to"), (isize::MAX as usize, "left"), (1 << 45, "left")];
        for (size, text) in tried {
            let reason = match node.create::<Region>(NAME, RegionOptions::new(size)) {
                Err(NameError::NotMade { name, reason }) if name == NAME => reason,
                other => panic!("{other:?}"),
            };
            assert!(reason.contains(&format!("{size} bytes")) && reason.contains(text), "{reason}");
            assert!(node.get_or_create::<Region>(NAME, RegionOptions::new(size)).is_err());
            let anonymous = Region::anonymous(node, RegionOptions::new(size));
            let Err(error @ RegionError::System { .. }) = anonymous else { panic!("{anonymous:?}") };
            assert_eq!(error.to_string(), reason);
            // Where no error can be told it is told by what is asked next.
            let region: Region = node.anonymous(RegionOptions::new(size));
            assert_eq!(region.map().map(drop), Err(error.clone()));
            assert_eq!(region.holders(), Err(error.clone()));
            assert_eq!(region.clone().unlink(), Err(UnlinkError::Region(error)));
            let queue: Queue<Region> = node.anonymous(QueueOptions::new());
            let Err(PutError::Encode(_, why)) = queue.put(region) else { panic!("it can't travel") };
            assert!(why.to_string().contains(&reason), "{why}");
        }
    }
    fn is_limited(node: &Node, (): ()) {
        let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: Some(1_000_000), maximum }).unwrap();
        let refused = node.create::<Region>(NAME, RegionOptions::new(1_000_001)).map(drop);
        assert!(matches!(refused, Err(NameError::NotMade { .. })), "{refused:?}");
        assert!(node.create::<Region>("/small", RegionOptions::new(1_000_000)).is_ok());
    }
    let job = job();
    fails(&job, ());
    job.spawn("fails", fails, ()).unwrap().join().unwrap();
    is_gone(&job, NAME);
    job.spawn("is limited", is_limited, ()).unwrap().join().unwrap();
    is_gone(&job, "/small");
}

/// > A region is used by handle and by name alike, from wherever it was created: anonymous ones too.
#[test]
fn regions_pass_as_values() {
    fn marks(_: &Node, region: Region) -> Region {
        region.map().unwrap().write(0, b"mark").unwrap();
        region
    }
    fn deeper(node: &Node, (region, depth): (Region, u32)) {
        let region = if depth > 0 { region } else { marks(node, region) };
        if depth > 0 {
            node.spawn("deeper", deeper, (region, depth - 1)).unwrap().join().unwrap();
        }
    }
    fn makes(node: &Node, line: Queue<Region>) {
        let region = Region::anonymous(node, RegionOptions::new(SIZE)).unwrap();
        region.map().unwrap().write(0, b"mark").unwrap();
        line.put_confirmed(region).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let job = job();
    let make = || -> Region { job.anonymous(RegionOptions::new(SIZE)) };
    let back = job.spawn("marks", marks, make()).unwrap().join().unwrap();
    assert!(has_mark(&back));
    let region = make();
    job.spawn("deeper", deeper, (region.clone(), 2)).unwrap().join().unwrap();
    assert!(has_mark(&region));
    let line: Queue<Region> = job.anonymous(QueueOptions::new());
    let maker = job.spawn("makes", makes, line.clone()).unwrap();
    assert!(has_mark(&line.get().unwrap()));
    assert_eq!(held_here(), (3, 0));
    maker.terminate(PATIENCE);
    maker.join().unwrap();
    assert_eq!(held_here(), (2, 0));
}

/// > Of several processes that create a region of one name at the same moment one does, and nothing is left of the others'.
#[test]
fn of_many_who_create_a_region_one_does() {
    fn tries(node: &Node, ready: Queue<u64>) -> (bool, u64) {
        let created = node.create::<Region>(NAME, RegionOptions::new(SIZE));
        let same: Region = node.get_or_create(NAME, RegionOptions::new(1)).unwrap();
        let mapping = same.map().unwrap();
        ready.put_confirmed(1).unwrap();
        while !node.wait_stopping(PATIENCE) {}
        (created.is_ok(), mapping.size_bytes() as u64)
    }
    let job = job();
    for _ in 0..rounds(10) {
        let ready: Queue<u64> = job.anonymous(QueueOptions::new());
        let spawn = |_| job.spawn("tries", tries, ready.clone()).unwrap();
        let children: Vec<Process<(bool, u64)>> = (0..4).map(spawn).collect();
        (0..4).for_each(|_| assert_eq!(ready.get(), Ok(1)));
        assert_eq!(held_here(), (1, 0));
        assert_eq!(job.open::<Region>(NAME).unwrap().holders(), Ok(4));
        children.iter().for_each(|child| child.terminate(PATIENCE));
        let told: Vec<(bool, u64)> = children.iter().map(|child| child.join().unwrap()).collect();
        assert_eq!(told.iter().filter(|(created, _)| *created).count(), 1);
        assert!(told.iter().all(|(_, size)| *size == SIZE as u64));
        is_gone(&job, NAME);
    }
}

fn cycles(node: &Node, count: u64) {
    for round in 0..count {
        let region: Region = match round % 2 {
            0 => node.create(NAME, RegionOptions::new(SIZE)).unwrap(),
            _ => node.anonymous(RegionOptions::new(SIZE)),
        };
        let mapping = region.map().unwrap();
        let mut bytes = [1; SIZE];
        mapping.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; SIZE], "new memory is zeroed");
        mapping.write(0, &[7; SIZE]).unwrap();
        region.close().unwrap();
    }
}

/// > Regions created, mapped and closed any number of times leave nothing, at the root or elsewhere.
#[test]
fn many_rounds_leave_nothing() {
    let job: Job = job();
    cycles(&job, 1_000);
    is_gone(&job, NAME);
    job.spawn("cycles", cycles, 1_000).unwrap().join().unwrap();
    is_gone(&job, NAME);
}

/// > A node may have a region mapped 4,096 times; one more is an error, and a drop makes room.
#[test]
fn a_node_may_have_a_region_mapped_so_often() {
    fn fills(_: &Node, region: Region) {
        let mut all: Vec<_> = (0..4_096).map(|_| region.map_read_only().unwrap()).collect();
        assert_eq!(region.map().map(drop), Err(RegionError::TooManyMappings));
        all.pop();
        let _last = region.map().unwrap();
        assert_eq!(region.holders(), Ok(2));
    }
    let job = job();
    let region: Region = job.anonymous(RegionOptions::new(1));
    job.spawn("fills", fills, region.clone()).unwrap().join().unwrap();
    assert_eq!(region.holders(), Ok(1));
}
