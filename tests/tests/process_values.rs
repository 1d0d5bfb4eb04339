//! Processes as values: a struct with fields and a `run` method.

use callboard::{
    ChildSpec, Failure, JoinError, Node, PipeEnd, Queue, QueueOptions, Restart, Run, SupervisorSpec,
};
use callboard_tests::{LeakCheck, PATIENCE};
use serde::{Deserialize, Serialize};

callboard::test_door!();

/// Counts what it has taken from a queue, and where it has run.
#[derive(Debug, Serialize, Deserialize)]
struct Adder {
    numbers: Queue<u64>,
    sum: u64,
    pid: u32,
}

impl Run for Adder {
    type Value = Self;

    fn run(mut self, _: &Node) -> Self {
        while let Ok(number) = self.numbers.get() {
            self.sum += number;
        }
        self.pid = std::process::id();
        self
    }
}

/// > A value that runs as a process has the fields it was given.
#[test]
fn a_process_has_the_fields_it_was_given() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let numbers: Queue<u64> = node.anonymous(QueueOptions::default());
    let adder = Adder { numbers: numbers.clone(), sum: 100, pid: std::process::id() };
    let child = node.spawn_value("adder", adder).unwrap();
    for number in 1..=10 {
        numbers.put(number).unwrap();
    }
    numbers.close().unwrap();
    let ended = child.join().unwrap();
    assert_eq!((ended.sum, ended.pid), (155, child.pid()));
}

/// What people write first: a process that answers over a pipe it owns.
#[derive(Serialize, Deserialize)]
struct UpperCaser {
    end: PipeEnd<String, String>,
    prefix: String,
}

impl Run for UpperCaser {
    type Value = Result<u32, Failure>;

    fn run(self, _: &Node) -> Self::Value {
        let mut count = 0;
        while let Ok(text) = self.end.recv() {
            assert!(text != "panic", "as it was told");
            self.end.send(format!("{}{}", self.prefix, text.to_uppercase()))?;
            count += 1;
        }
        Ok(count)
    }
}

/// > Its end is told as a function's is: what it returns, what its `run` panics with, a kill.
#[test]
fn its_end_is_told_as_a_functions_is() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let start = |name: &str| {
        let (ours, end) = node.pipe::<String, String>().unwrap();
        let process = UpperCaser { end, prefix: format!("{name}: ") };
        let child = node.process(name).stderr_null().spawn_value(process).unwrap();
        ours.send("text".to_owned()).unwrap();
        assert_eq!(ours.recv().unwrap(), format!("{name}: TEXT"));
        (ours, child)
    };
    let (ours, child) = start("returns");
    drop(ours);
    assert_eq!(child.join(), Ok(Ok(1)));
    assert_eq!(child.name(), "returns");

    let (ours, child) = start("panics");
    ours.send("panic".to_owned()).unwrap();
    let Err(JoinError::Panicked(panic)) = child.join() else { panic!("it ended otherwise") };
    assert!(panic.message.contains("as it was told"), "{panic}");
    assert!(ours.recv().is_err());

    let (ours, child) = start("is killed");
    child.kill().unwrap();
    assert!(matches!(child.join(), Err(JoinError::Signalled { .. })));
    assert!(ours.recv().is_err());
}

/// Says what it was started with, and fails after the first two times.
#[derive(Clone, Serialize, Deserialize)]
struct Fails {
    starts: Queue<(u32, u32)>,
    generation: u32,
}

impl Run for Fails {
    type Value = Result<(), Failure>;

    fn run(mut self, node: &Node) -> Self::Value {
        self.generation += 1;
        self.starts.put_confirmed((std::process::id(), self.generation))?;
        assert!(!node.stopping());
        Err(Failure::new("started, and that was all"))
    }
}

/// > A supervisor starts it again with the fields it was given.
#[test]
fn a_supervisor_starts_it_again_with_the_fields_it_was_given() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let starts: Queue<(u32, u32)> = node.anonymous(QueueOptions::default());
    let fails = Fails { starts: starts.clone(), generation: 7 };
    let spec =
        SupervisorSpec::new().quiet().child(ChildSpec::value("fails", fails).restart(Restart::Transient));
    let supervisor = node.supervise(&spec).unwrap();
    let mut pids = Vec::new();
    for _ in 0..2 {
        let (pid, generation) = starts.get_timeout(PATIENCE).unwrap();
        assert_eq!(generation, 8, "each life begins with what was given");
        pids.push(pid);
    }
    assert_ne!(pids[0], pids[1]);
    supervisor.stop();
    supervisor.wait();
}
