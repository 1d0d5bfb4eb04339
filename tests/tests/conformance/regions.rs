//! What CPython holds of its shared memory, with the other half in every place.

use callboard::{
    Event, EventOptions, Manager, NameError, Node, Region, RegionError, RegionOptions, UnlinkError,
};
use callboard_tests::{PATIENCE, is_running, send_signal};

use crate::place::Place;

const SIZE: usize = 512;

fn byte(region: &Region, at: usize) -> u8 {
    let mut byte = [0];
    region.map_read_only().unwrap().read(at, &mut byte).unwrap();
    byte[0]
}

fn a_region_is_created_once_attached_to_and_unlinked_once(place: Place) {
    fn attaches(node: &Node, (): ()) -> usize {
        let taken = node.create::<Region>("/shared", RegionOptions::new(SIZE));
        assert!(matches!(taken, Err(NameError::Taken { .. })), "{taken:?}");
        let missing = node.open::<Region>("/nobody's");
        assert_eq!(missing.map(drop), Err(NameError::NotFound("/nobody's".to_owned())));
        let region: Region = node.open("/shared").unwrap();
        // A size that was not asked for changes nothing.
        let same: Region = node.get_or_create("/shared", RegionOptions::new(3)).unwrap();
        assert_eq!(same.size_bytes(), Ok(SIZE));
        let mapping = region.map().unwrap();
        assert_eq!(byte(&same, 0), 42);
        mapping.write(0, &[22]).unwrap();
        mapping.size_bytes()
    }
    fn unlinks(node: &Node, (): ()) {
        let region: Region = node.open("/shared").unwrap();
        region.unlink().unwrap();
        assert_eq!(region.unlink(), Err(UnlinkError::NoName));
        assert!(node.open::<Region>("/shared").is_err());
    }
    let home = Node::start().unwrap();
    let region: Region = home.create("/shared", RegionOptions::new(SIZE)).unwrap();
    let mapping = region.map().unwrap();
    mapping.write(0, &[42]).unwrap();
    assert_eq!(place.run(&home, attaches, ()), SIZE);
    // Whoever attached has left, and destroyed nothing.
    assert_eq!(byte(&region, 0), 22);
    assert_eq!(byte(&home.open("/shared").unwrap(), 0), 22);
    place.run(&home, unlinks, ());
    assert!(home.open::<Region>("/shared").is_err());
    mapping.write(SIZE - 1, &[7]).unwrap();
    assert_eq!(byte(&region, SIZE - 1), 7);
    let fresh: Region = home.create("/shared", RegionOptions::new(1)).unwrap();
    assert_eq!(byte(&fresh, 0), 0);
}

in_every_place!(a_region_is_created_once_attached_to_and_unlinked_once);

fn names_and_sizes_that_are_none_are_refused(place: Place) {
    fn refused(node: &Node, (): ()) {
        for name in ["", "/test\0shared", &"n".repeat(256)] {
            let created = node.create::<Region>(name, RegionOptions::new(SIZE));
            assert_eq!(created.map(drop), Err(NameError::BadName(name.to_owned())));
            assert_eq!(node.open::<Region>(name).map(drop), Err(NameError::BadName(name.to_owned())));
        }
        for size in [0, usize::MAX] {
            let created = node.create::<Region>("/shared", RegionOptions::new(size));
            assert!(matches!(created, Err(NameError::NotMade { .. })), "{created:?}");
        }
        assert!(node.open::<Region>("/shared").is_err());
    }
    let home = Node::start().unwrap();
    place.run(&home, refused, ());
}

in_every_place!(names_and_sizes_that_are_none_are_refused);

fn a_handle_leads_to_the_same_memory_or_says_that_it_is_gone(place: Place) {
    fn writes(_: &Node, region: Region) -> Region {
        region.map().unwrap().write(9, &[9]).unwrap();
        region
    }
    fn asks(_: &Node, region: Region) -> bool {
        region.map().map(drop) == Err(RegionError::Gone) && region.holders() == Err(RegionError::Gone)
    }
    let home = Node::start().unwrap();
    for region in
        [home.anonymous(RegionOptions::new(SIZE)), home.create("/shared", RegionOptions::new(SIZE)).unwrap()]
    {
        let region: Region = region;
        let back = place.run(&home, writes, region.clone());
        assert_eq!((byte(&region, 9), byte(&back, 9)), (9, 9));
        back.close().unwrap();
        assert!(place.run(&home, asks, region));
    }
}

in_every_place!(a_handle_leads_to_the_same_memory_or_says_that_it_is_gone);

fn what_two_places_write_is_there_for_both(place: Place) {
    fn answers(_: &Node, (region, question, answer): (Region, Event, Event)) {
        let mapping = region.map().unwrap();
        let numbers = mapping.view::<f64>().unwrap();
        question.wait().unwrap();
        for (index, number) in numbers.iter().enumerate() {
            numbers.set(index, number * 2.0).unwrap();
        }
        answer.set().unwrap();
    }
    let home = Node::start().unwrap();
    let region: Region = home.anonymous(RegionOptions::new(SIZE));
    let (question, answer): (Event, Event) =
        (home.anonymous(EventOptions::new()), home.anonymous(EventOptions::new()));
    let other = place.start(&home, answers, (region.clone(), question.clone(), answer.clone()));
    let mapping = region.map().unwrap();
    let numbers = mapping.view::<f64>().unwrap();
    let given: Vec<f64> = (0..numbers.len()).map(|n| n as f64 + 0.5).collect();
    numbers.copy_from_slice(&given).unwrap();
    question.set().unwrap();
    assert_eq!(answer.wait_timeout(PATIENCE), Ok(true));
    assert!(numbers.iter().eq(given.iter().map(|number| number * 2.0)));
    other.join();
}

in_every_place!(what_two_places_write_is_there_for_both);

fn creates(node: &Node, ready: Event) {
    let _region: Region = node.create("/shared", RegionOptions::new(SIZE)).unwrap();
    ready.set().unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

#[test]
fn a_region_whose_creator_is_ended_by_a_signal_is_gone() {
    let home = Node::start().unwrap();
    // None that a program may have been started to ignore, as one in the background ignores SIGINT.
    for signal in [15, 10, 6, 9] {
        let ready: Event = home.anonymous(EventOptions::new());
        let creator = home.process("creator").stderr_null().spawn(creates, ready.clone()).unwrap();
        assert_eq!(ready.wait_timeout(PATIENCE), Ok(true));
        let region: Region = home.open("/shared").unwrap();
        assert_eq!(region.size_bytes(), Ok(SIZE));
        send_signal(creator.pid(), signal);
        assert!(creator.join_timeout(PATIENCE).is_err());
        assert!(!is_running(creator.pid()));
        assert!(home.open::<Region>("/shared").is_err());
        assert_eq!(region.holders(), Err(RegionError::Gone));
    }
}

#[test]
fn the_regions_of_a_manager_end_with_it() {
    let home = Node::start().unwrap();
    let manager = Manager::start(&home, "/manager").unwrap();
    let named: Region = manager.host().create("/shared", RegionOptions::new(SIZE)).unwrap();
    let others: Vec<Region> =
        (1..4).map(|size| manager.host().anonymous(RegionOptions::new(size)).unwrap()).collect();
    named.map().unwrap().write(0, &[1]).unwrap();
    assert_eq!((byte(&named, 0), others[2].size_bytes()), (1, Ok(3)));
    let refused = manager.host().create::<Region>("/none", RegionOptions::new(0));
    assert!(refused.is_err_and(|error| error.to_string().contains("/none")));
    manager.shutdown(PATIENCE).unwrap();
    assert!(home.open::<Region>("/shared").is_err());
    assert!(others.iter().chain([&named]).all(|region| region.holders() == Err(RegionError::Gone)));
}
