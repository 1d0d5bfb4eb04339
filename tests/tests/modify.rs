//! Reading, changing and writing back in one step, by whoever does it: dicts, lists and registers.

use std::time::{Duration, Instant};

use callboard::{
    Dict, DictError, DictOptions, List, ListError, ListOptions, Node, Register, RegisterError,
    RegisterOptions,
};
use callboard_tests::{PATIENCE, eventually, send_signal, stop_state};

callboard::test_door!();

type All = (Dict<String, u64>, List<u64>, Register<Vec<u64>>);

fn create(node: &Node) -> All {
    let list: List<u64> = node.anonymous(ListOptions::new());
    list.push(0).unwrap();
    (node.anonymous(DictOptions::new()), list, node.anonymous(RegisterOptions::empty()))
}

fn own(node: &Node, there: Register<All>) {
    there.set(create(node)).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn modifies(_: &Node, ((dict, list, register), times): (All, u64)) {
    for time in 0..times {
        dict.modify("sum", |value| *value.get_or_insert(0) += 1).unwrap();
        let before = list.modify(0, |value| std::mem::replace(value, *value + 1)).unwrap();
        assert!(before >= time);
        register.modify(|value| value.get_or_insert_default().push(time)).unwrap();
    }
}

/// > What several processes `modify` in a dict, a list or a register is exact.
#[test]
fn what_several_processes_modify_is_exact() {
    let node = Node::start().unwrap();
    let there: Register<All> = node.anonymous(RegisterOptions::empty());
    let _owner = node.spawn("owner", own, there.clone()).unwrap();
    for all in [create(&node), there.wait_timeout(PATIENCE).unwrap().unwrap()] {
        let children: Vec<_> =
            (0..4).map(|_| node.spawn("modifies", modifies, (all.clone(), 200)).unwrap()).collect();
        children.iter().for_each(|child| child.join().unwrap());
        let (dict, list, register) = all;
        assert_eq!((dict.get("sum"), list.get(0)), (Ok(Some(800)), Ok(Some(800))));
        let mut times = register.get().unwrap().unwrap();
        times.sort_unstable();
        assert!(times.iter().enumerate().all(|(at, time)| *time == at as u64 / 4));
        // What is taken away is gone, and what stays the same is no change.
        let mut watch = dict.watch("sum").unwrap();
        assert_eq!((dict.modify("sum", |value| *value), watch.try_next()), (Ok(Some(800)), Ok(None)));
        assert_eq!((dict.modify("sum", Option::take), dict.len()), (Ok(Some(800)), Ok(0)));
        assert_eq!(list.modify(7, |_| ()), Err(ListError::OutOfBounds { index: 7, len: 1 }));
    }
}

/// > A `modify` with a timeout keeps it, also with the owner stopped, and gives up when others are always faster.
#[test]
fn a_modify_with_a_timeout_keeps_it_also_with_the_owner_stopped() {
    let node = Node::start().unwrap();
    let there: Register<All> = node.anonymous(RegisterOptions::empty());
    let owner = node.spawn("owner", own, there.clone()).unwrap();
    let (dict, list, register) = there.wait_timeout(PATIENCE).unwrap().unwrap();
    let short = Duration::from_millis(20);
    // Each time it is tried another was there before.
    let mut tries = 0;
    let always_late = dict.modify_timeout("a", short, |value| {
        tries += 1;
        dict.add("a", 1).unwrap();
        *value = Some(0);
    });
    // The time may be over between two tries or within one.
    assert!(matches!(always_late, Ok(None) | Err(DictError::Unresponsive)), "{always_late:?}");
    assert_eq!(dict.get("a"), Ok(Some(tries)));
    assert_eq!(dict.modify_timeout("a", PATIENCE, |value| *value = None), Ok(Some(())));
    // A time stays, unless it was over before.
    dict.insert_for("b".to_owned(), 1, short).unwrap();
    if dict.modify("b", |value| value.replace(2)).unwrap().is_none() {
        dict.remove("b").unwrap();
    }
    eventually("it is gone", || dict.contains_key("b") == Ok(false));
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    let begun = Instant::now();
    assert_eq!(dict.modify_timeout("a", short, |_| ()), Err(DictError::Unresponsive));
    assert_eq!(list.modify_timeout(0, short, |_| ()), Err(ListError::Unresponsive));
    assert_eq!(register.modify_timeout(short, |_| ()), Err(RegisterError::Unresponsive));
    assert!(begun.elapsed() >= short * 3);
    owner.kill().unwrap();
    assert_eq!(dict.modify("a", |_| ()), Err(DictError::Disconnected));
}
