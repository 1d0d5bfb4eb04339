//! Registers and counters between processes: exact changes, waits, watches, expiry, functions, deaths.

use std::time::{Duration, Instant};

use callboard::{
    Counter, CounterError, CounterOptions, FunctionError, Node, Queue, QueueOptions, Register,
    RegisterChange, RegisterError, RegisterOptions, Swap, WaitAny, wait_any,
};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

type Text = Register<String>;

fn options() -> RegisterOptions<String> {
    RegisterOptions::empty()
        .function("append", |value: Option<String>, more: String| {
            let text = value.unwrap_or_default() + &more;
            let length = text.len();
            (Some(text), length)
        })
        .function("drop", |value: Option<String>, (): ()| (None, value.is_some()))
        .function("panic", |_: Option<String>, (): ()| -> (Option<String>, ()) { panic!("boo") })
}

fn own(node: &Node, name: String) {
    let _register: Text = node.create(&name, options()).unwrap();
    let _counter: Counter = node.create(&format!("{name}/counter"), CounterOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// Runs `test` with a register and a counter of this process, and with those of another.
fn here_and_there(test: impl Fn(&Node, Text, Counter)) {
    let node = Node::start().unwrap();
    let _owner = node.spawn("owner", own, "/theirs".to_owned()).unwrap();
    test(&node, node.anonymous(options()), node.anonymous(CounterOptions::new()));
    let register = node.open_timeout("/theirs", PATIENCE).unwrap();
    test(&node, register, node.open_timeout("/theirs/counter", PATIENCE).unwrap());
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// > A register holds one value or none, and each change is there for everybody when its method returns.
#[test]
fn a_register_holds_one_value_or_none_for_everybody() {
    fn sees(_: &Node, (register, expected): (Text, Option<String>)) -> bool {
        register.get().unwrap() == expected
    }
    here_and_there(|node, register, _| {
        let seen = |expected: Option<&str>| {
            let args = (register.clone(), expected.map(text));
            node.spawn("sees", sees, args).unwrap().join().unwrap()
        };
        assert!(register.get() == Ok(None) && seen(None));
        assert_eq!(register.set(text("a")), Ok(None));
        assert!(seen(Some("a")));
        assert_eq!(register.set(text("b")), Ok(Some(text("a"))));
        assert_eq!((register.take(), register.take()), (Ok(Some(text("b"))), Ok(None)));
        assert_eq!(register.compare_and_swap(Some(&text("b")), None), Ok(Swap::Differs(None)));
        assert_eq!(register.compare_and_swap(None, Some(text("c"))), Ok(Swap::Done));
        assert_eq!(register.compare_and_swap(None, Some(text("d"))), Ok(Swap::Differs(Some(text("c")))));
        assert!(register.compare_and_swap(Some(&text("c")), Some(text("d"))).unwrap().is_done());
        assert!(seen(Some("d")));
        assert_eq!(register.compare_and_swap(Some(&text("d")), None), Ok(Swap::Done));
        assert!(register.get() == Ok(None) && seen(None));
    });
}

/// > A register may begin with a value; one that can't be encoded or decoded is an error of that call alone.
#[test]
fn a_register_may_begin_with_a_value_and_encodings_that_fail_are_errors() {
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    #[derive(Debug, PartialEq, serde::Serialize)]
    struct NeverBack(u64);
    impl<'de> serde::Deserialize<'de> for NeverBack {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(serde::de::Error::custom("never"))
        }
    }
    let node = Node::start().unwrap();
    assert!(RegisterOptions::new(&Refuses).is_err());
    let register: Register<u64> = node.create("/seven", RegisterOptions::new(&7).unwrap()).unwrap();
    assert_eq!((register.get(), register.wait()), (Ok(Some(7)), Ok(7)));
    let register: Register<NeverBack> = node.anonymous(RegisterOptions::new(&NeverBack(1)).unwrap());
    assert!(matches!(register.get(), Err(RegisterError::Decode(_))));
    assert!(matches!(register.wait(), Err(RegisterError::Decode(_))));
    let mut watch = register.watch().unwrap();
    assert!(matches!(register.set(NeverBack(2)), Err(RegisterError::Decode(_))));
    assert!(matches!(watch.next(), Err(RegisterError::Decode(_))));
    assert_eq!(watch.try_next().unwrap(), None);
    assert!(matches!(register.take(), Err(RegisterError::Decode(_))));
    assert_eq!(register.take(), Ok(None));
}

/// > What several processes change in a register or a counter is exact.
#[test]
fn what_several_processes_change_is_exact() {
    fn changes(_: &Node, (register, counter): (Text, Counter)) {
        for _ in 0..200 {
            let mut seen = register.get().unwrap();
            loop {
                let next = seen.as_ref().map_or(0, |number| number.parse::<u64>().unwrap()) + 1;
                match register.compare_and_swap(seen.as_ref(), Some(next.to_string())).unwrap() {
                    Swap::Done => break,
                    Swap::Differs(other) => seen = other,
                }
            }
            counter.add(3).unwrap();
            counter.sub(1).unwrap();
            counter.cast_add(1).unwrap();
            let mut seen = counter.get().unwrap();
            while let Swap::Differs(other) = counter.compare_and_swap(seen, seen + 1).unwrap() {
                seen = other;
            }
        }
        assert_eq!(counter.flush(), Ok(()));
    }
    here_and_there(|node, register, counter| {
        let args = (register.clone(), counter.clone());
        let children: Vec<_> =
            (0..4).map(|_| node.spawn("changes", changes, args.clone()).unwrap()).collect();
        children.into_iter().for_each(|child| child.join().unwrap());
        assert_eq!((register.get(), counter.get()), (Ok(Some(text("800"))), Ok(3200)));
    });
}

/// > An overflow of a counter is an error that changes nothing; those of casts are told once by `flush`.
#[test]
fn an_overflow_is_an_error_that_changes_nothing() {
    here_and_there(|_, _, counter| {
        assert_eq!(counter.set(i64::MAX), Ok(0));
        assert_eq!(
            (counter.add(1), counter.sub(-1)),
            (Err(CounterError::Overflow), Err(CounterError::Overflow))
        );
        for by in [1, 2, -1, 1, 1] {
            counter.cast_add(by).unwrap();
        }
        assert_eq!((counter.flush(), counter.flush()), (Err(CounterError::Lost(3)), Ok(())));
        assert_eq!(counter.get(), Ok(i64::MAX));
        assert_eq!((counter.set(-1), counter.sub(i64::MIN)), (Ok(i64::MAX), Ok(i64::MAX)));
    });
}

/// > Who waits for a value, or for a number to be reached, is woken when it comes, also if it is gone at once.
#[test]
fn who_waits_for_a_value_or_a_number_is_woken_when_it_comes() {
    fn waits(_: &Node, (register, counter, told): (Text, Counter, Queue<u64>)) -> (String, i64) {
        told.put_confirmed(0).unwrap();
        (register.wait().unwrap(), counter.wait_at_least(10).unwrap())
    }
    here_and_there(|node, register, counter| {
        let short = Duration::from_millis(1);
        assert_eq!(
            (register.wait_timeout(short), register.wait_timeout(Duration::ZERO)),
            (Ok(None), Ok(None))
        );
        assert_eq!(counter.wait_at_least_timeout(10, short), Ok(None));
        assert_eq!(counter.wait_at_least_timeout(10, Duration::ZERO), Ok(None));
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let args = (register.clone(), counter.clone(), told.clone());
        let children: Vec<_> = (0..3).map(|_| node.spawn("waits", waits, args.clone()).unwrap()).collect();
        (0..3).for_each(|_| assert_eq!(told.get(), Ok(0)));
        let mut any = WaitAny::new(node);
        let (value, number) = (any.add(&register), any.add(&counter.at_least(10)));
        assert_eq!(any.try_wait(), None);
        // An answered question is behind what this thread asked before: the owner has heard of both waits.
        assert_eq!((counter.get(), register.get()), (Ok(0), Ok(None)));
        counter.add(10).unwrap();
        counter.sub(10).unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(number));
        register.set(text("here")).unwrap();
        register.take().unwrap();
        assert_eq!(any.wait_timeout(PATIENCE), Some(value));
        assert_eq!(any.wait_timeout(short), None);
        register.set(text("here")).unwrap();
        counter.set(11).unwrap();
        for child in children {
            // Whoever was late saw the second value, and that stays.
            let (value, number) = child.join().unwrap();
            assert!(value == "here" && (10..=11).contains(&number));
        }
        assert_eq!((register.wait(), counter.wait_at_least(11)), (Ok(text("here")), Ok(11)));
        assert_eq!(counter.wait_at_least_timeout(11, Duration::ZERO), Ok(Some(11)));
        assert!(wait_any(&[&register, &counter.at_least(3)], Some(PATIENCE)).is_some());
    });
}

/// > Every change of a register is followed by a report to whoever watches it, with the latest value, also through `WaitAny`.
#[test]
fn every_change_is_followed_by_a_report_with_the_latest_value() {
    fn sets(_: &Node, register: Text) {
        (0..1000).for_each(|i| drop(register.set(i.to_string()).unwrap()));
    }
    here_and_there(|node, register, _| {
        let mut watch = register.watch().unwrap();
        assert_eq!((watch.try_next(), watch.next_timeout(Duration::from_millis(1))), (Ok(None), Ok(None)));
        register.set(text("a")).unwrap();
        let change = RegisterChange { version: 1, value: Some(text("a")) };
        assert_eq!((watch.try_next(), watch.try_next()), (Ok(Some(change)), Ok(None)));
        let mut any = WaitAny::new(node);
        let member = any.add(&watch);
        let child = node.spawn("sets", sets, register.clone()).unwrap();
        let mut latest = 1;
        while latest != 1001 {
            assert_eq!(any.wait_timeout(PATIENCE), Some(member));
            if let Some(change) = watch.try_next().unwrap() {
                assert!(change.version > latest);
                latest = change.version;
                assert_eq!(change.value, Some((latest - 2).to_string()));
            }
        }
        child.join().unwrap();
        register.take().unwrap();
        assert_eq!(watch.next(), Ok(RegisterChange { version: 1002, value: None }));
    });
}

/// > A value that was set for some time is gone after it, and whoever watches is told; one written over it stays.
#[test]
fn a_value_set_for_some_time_is_gone_after_it() {
    here_and_there(|_, register, _| {
        let mut watch = register.watch().unwrap();
        let begun = Instant::now();
        register.set_for(text("a"), Duration::from_millis(30)).unwrap();
        while watch.next().unwrap().value.is_some() {}
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(register.get(), Ok(None));
        register.set_for(text("a"), Duration::from_millis(20)).unwrap();
        register.set(text("b")).unwrap();
        watch.next().unwrap();
        assert_eq!(watch.next_timeout(Duration::from_millis(60)), Ok(None));
        for long in [PATIENCE, Duration::MAX] {
            register.set_for(text("c"), long).unwrap();
            assert_eq!(register.get(), Ok(Some(text("c"))));
        }
        register.set_for(text("c"), Duration::ZERO).unwrap();
        assert_eq!(register.get(), Ok(None));
    });
}

/// > A registered function changes a register in one step; if it panics, is not there or takes other types, nothing.
#[test]
fn a_registered_function_changes_a_register_or_nothing() {
    fn appends(_: &Node, register: Text) {
        for _ in 0..300 {
            let _: usize = register.update("append", "x").unwrap();
        }
    }
    here_and_there(|node, register, _| {
        let children: Vec<_> =
            (0..3).map(|_| node.spawn("appends", appends, register.clone()).unwrap()).collect();
        children.into_iter().for_each(|child| child.join().unwrap());
        assert_eq!(register.get(), Ok(Some("x".repeat(900))));
        let mut watch = register.watch().unwrap();
        let why = FunctionError::Panicked(text("boo"));
        assert_eq!(register.update::<_, ()>("panic", ()), Err(RegisterError::Function(why)));
        let why = FunctionError::Unknown(text("none"));
        assert_eq!(register.update::<_, ()>("none", ()), Err(RegisterError::Function(why)));
        let other = register.update::<_, usize>("append", 7);
        assert!(matches!(other, Err(RegisterError::Function(FunctionError::Input(_)))), "{other:?}");
        assert_eq!(register.update("append", ""), Ok(900_usize));
        assert_eq!(watch.try_next(), Ok(None));
        assert_eq!((register.update("drop", ()), register.update("drop", ())), (Ok(true), Ok(false)));
        assert_eq!(register.get(), Ok(None));
    });
}

/// > A wait for a register or a counter keeps its timeout, also with the owner stopped.
#[test]
fn a_wait_keeps_its_timeout_also_with_the_owner_stopped() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", own, text("/theirs")).unwrap();
    let register: Text = node.open_timeout("/theirs", PATIENCE).unwrap();
    let counter: Counter = node.open_timeout("/theirs/counter", PATIENCE).unwrap();
    let mut watch = register.watch().unwrap();
    send_signal(owner.pid(), 19);
    eventually("it is stopped", || stop_state(owner.pid()) == Some('T'));
    let (begun, short) = (Instant::now(), Duration::from_millis(20));
    assert_eq!(register.wait_timeout(short), Ok(None));
    assert_eq!(watch.next_timeout(short), Ok(None));
    assert_eq!(counter.wait_at_least_timeout(1, short), Ok(None));
    assert_eq!(wait_any(&[&register, &watch, &counter.at_least(1)], Some(short)), None);
    assert!(begun.elapsed() >= short * 4);
    counter.cast_add(1).unwrap();
    send_signal(owner.pid(), 18);
    assert_eq!(counter.wait_at_least(1), Ok(1));
}

/// Says that it is about to begin, and then counts, waits and watches until there is an error.
fn uses(_: &Node, (register, counter, told): (Text, Counter, Queue<u64>)) {
    let mut watch = register.watch().unwrap();
    told.put_confirmed(0).unwrap();
    loop {
        counter.add(2).unwrap();
        let _: usize = register.update("append", "xx").unwrap();
        watch.next().unwrap();
    }
}

/// > The death of the owner of a register or counter reaches everyone who waits; that of another process leaves nothing half done.
#[test]
fn whoever_is_killed_nothing_hangs_and_nothing_is_half_done() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(30) {
        let name = format!("/owned/{round}");
        let owner = node.process("owner").stderr_null().spawn(own, name.clone()).unwrap();
        let register: Text = node.open_timeout(&name, PATIENCE).unwrap();
        let counter: Counter = node.open_timeout(&format!("{name}/counter"), PATIENCE).unwrap();
        let told: Queue<u64> = node.anonymous(QueueOptions::new());
        let spawn = || {
            let args = (register.clone(), counter.clone(), told.clone());
            node.process("uses").stderr_null().spawn(uses, args).unwrap()
        };
        let children = [spawn(), spawn()];
        (0..2).for_each(|_| assert_eq!(told.get(), Ok(0)));
        let reached = std::thread::spawn({
            let counter = counter.clone();
            move || counter.wait_at_least(i64::MAX)
        });
        pause(random.time(Duration::from_millis(2)));
        let victim = *random.pick(&[&owner, &children[0]]);
        if random.below(2) == 0 {
            send_signal(victim.pid(), 19);
        }
        send_signal(victim.pid(), 9);
        assert!(victim.join().is_err());
        if victim.pid() == owner.pid() {
            assert_eq!(reached.join().unwrap(), Err(CounterError::Disconnected));
        } else {
            assert!(children[1].is_alive());
            children[1].kill().unwrap();
            assert!(children[1].join().is_err());
            let (value, number) = (register.get().unwrap().unwrap_or_default(), counter.get().unwrap());
            assert!(value.len().is_multiple_of(2) && value.len() as i64 <= number && number % 2 == 0);
            counter.set(i64::MAX).unwrap();
            assert_eq!(reached.join().unwrap(), Ok(i64::MAX));
            owner.kill().unwrap();
            assert!(owner.join().is_err());
        }
        assert_eq!(
            (register.wait(), counter.flush()),
            (Err(RegisterError::Disconnected), Err(CounterError::Disconnected))
        );
        assert!(register.watch().is_err() && register.set(text("a")).is_err());
        assert!(wait_any(&[&register, &counter.at_least(1)], Some(PATIENCE)).is_some());
        assert!(children.iter().all(|child| child.join().is_err()), "they are told, and panic");
    }
}
