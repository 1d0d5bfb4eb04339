//! Pipelines: the same results however the workers run, and exact totals whoever is killed.

use std::error::Error;
use std::fs;

use callboard::pipeline::{OnError, Outputs, Pipeline, PipelineError, Stage, StageOptions, Workers};
use callboard::{JoinError, Node, Queue, QueueOptions};
use callboard_tests::{PATIENCE, eventually, kill_self, pause, send_signal, stop_state};
use serde::{Deserialize, Serialize};

callboard::test_door!();

const MODES: [Workers; 3] = [Workers::Processes, Workers::Threads, Workers::Inline];

/// Puts out each number as many times as asked, keyed by itself.
#[derive(Clone, Serialize, Deserialize)]
struct Repeat(u64);

impl Stage for Repeat {
    type In = u64;
    type Out = u64;
    fn item(&mut self, n: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
        for _ in 0..self.0 {
            out.put_keyed(&n, &n);
        }
        Ok(())
    }
}

/// Adds numbers up, and says which process did.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Sum {
    total: u64,
    count: u64,
}

impl Stage for Sum {
    type In = u64;
    type Out = (u64, u64);
    const HOLDS: bool = true;
    const MAX_HELD_ITEMS: u64 = 100;
    fn item(&mut self, n: u64, _: &mut Outputs<(u64, u64)>) -> Result<(), Box<dyn Error>> {
        self.total += n;
        self.count += 1;
        Ok(())
    }
    fn flush(&mut self, out: &mut Outputs<(u64, u64)>) {
        let Sum { total, count } = std::mem::take(self);
        out.put(&(total, count));
    }
}

/// Fails on multiples of ten, and kills its process on one number.
#[derive(Clone, Serialize, Deserialize)]
struct Picky {
    deadly: Option<u64>,
}

impl Stage for Picky {
    type In = u64;
    type Out = u64;
    fn item(&mut self, n: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
        if Some(n) == self.deadly {
            kill_self();
        }
        out.put(&n);
        if n.is_multiple_of(10) { Err(format!("{n} is a multiple of ten").into()) } else { Ok(()) }
    }
}

fn options(name: &str, workers: usize) -> StageOptions {
    StageOptions::new(name).workers(workers)
}

/// > Processes, threads and inline give the same results.
#[test]
fn processes_threads_and_inline_give_the_same_totals() {
    let node = Node::start().unwrap();
    for mode in MODES {
        let mut total = (0, 0);
        let report = Pipeline::source(0..5_000_u64)
            .stage(options("repeat", 2), Repeat(3))
            .stage(options("sum", 3).partitioned(), Sum::default())
            .run(&node, mode, |(sum, count): (u64, u64)| total = (total.0 + sum, total.1 + count))
            .unwrap();
        assert_eq!(total, (3 * 4999 * 2500, 15_000), "{mode:?}");
        assert_eq!((report.read, report.stages[0].emitted, report.stages[1].taken), (5000, 15_000, 15_000));
    }
}

/// > Items of one key go to one worker of a partitioned stage; equal ones without a key do, and others are spread.
#[test]
fn equal_items_without_a_key_go_to_one_worker_of_a_partitioned_stage_and_different_ones_to_all() {
    let node = Node::start().unwrap();
    for mode in MODES {
        let mut sums = Vec::new();
        Pipeline::source((0..3000_u64).map(|n| n % 300))
            .stage(options("pass", 1), Pass)
            .stage(options("sum", 3).partitioned(), Distinct::default())
            .run(&node, mode, |seen: Vec<u64>| sums.push(seen))
            .unwrap();
        let mut all: Vec<u64> = sums.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..300), "a number came to two workers, or to none");
        assert!(sums.iter().filter(|seen| !seen.is_empty()).count() == 3, "a worker had nothing to do");
    }
}

/// Passes numbers on, without a key.
#[derive(Clone, Serialize, Deserialize)]
struct Pass;

impl Stage for Pass {
    type In = u64;
    type Out = u64;
    fn item(&mut self, n: u64, out: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
        out.put(&n);
        Ok(())
    }
}

/// Remembers which numbers it has seen. Unkeyed before it, they come as their hash says.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Distinct(std::collections::BTreeSet<u64>);

impl Stage for Distinct {
    type In = u64;
    type Out = Vec<u64>;
    const HOLDS: bool = true;
    fn item(&mut self, n: u64, _: &mut Outputs<Vec<u64>>) -> Result<(), Box<dyn Error>> {
        self.0.insert(n);
        Ok(())
    }
    fn flush(&mut self, out: &mut Outputs<Vec<u64>>) {
        out.put(&std::mem::take(&mut self.0).into_iter().collect());
    }
}

/// > A stage that keeps items in its state and does not say so loses none.
#[test]
fn a_stage_that_keeps_items_and_does_not_say_so_loses_none() {
    /// As `Sum`, without saying that it holds.
    #[derive(Clone, Default, Serialize, Deserialize)]
    struct Forgetful(u64);
    impl Stage for Forgetful {
        type In = u64;
        type Out = u64;
        fn item(&mut self, n: u64, _: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
            self.0 += n;
            Ok(())
        }
        fn flush(&mut self, out: &mut Outputs<u64>) {
            out.put(&std::mem::take(&mut self.0));
        }
    }
    let node = Node::start().unwrap();
    for mode in MODES {
        let mut total = 0;
        Pipeline::source(0..5000_u64)
            .stage(options("forgetful", 2), Forgetful(0))
            .run(&node, mode, |sum: u64| total += sum)
            .unwrap();
        assert_eq!(total, 4999 * 2500, "{mode:?}");
    }
}

/// > An item may fan out beyond the capacity of an edge.
#[test]
fn an_item_that_fans_out_beyond_the_capacity_of_an_edge_passes() {
    let node = Node::start().unwrap();
    let mut count = 0;
    Pipeline::source(0..3_u64)
        .stage(options("repeat", 1), Repeat(10_000))
        .stage(options("again", 2).capacity(10, 100), Repeat(1))
        .run(&node, Workers::Processes, |_: u64| count += 1)
        .unwrap();
    assert_eq!(count, 30_000);
}

/// > A failing item ends the pipeline, is skipped, or is retried and then a dead letter, as asked.
#[test]
fn a_failing_item_is_skipped_retried_or_the_end_as_asked() {
    let node = Node::start().unwrap();
    for mode in MODES {
        let run = |on_error| {
            let mut sum = 0;
            let picky = Picky { deadly: None };
            let report = Pipeline::source(1..=30_u64)
                .stage(options("picky", 2).on_error(on_error), picky)
                .run(&node, mode, |n: u64| sum += n);
            (sum, report)
        };
        let (sum, report) = run(OnError::Skip);
        let report = report.unwrap();
        assert_eq!((sum, report.stages[0].skipped), (465 - 60, 3));

        let (sum, report) = run(OnError::Retry(2));
        let mut report = report.unwrap();
        assert_eq!((sum, report.stages[0].retried, report.stages[0].dead_letters), (465 - 60, 6, 3));
        report.dead_letters.sort_by_key(|letter| letter.item::<u64>().unwrap());
        assert_eq!((report.dead_letters[0].item(), report.dead_letters[0].attempts), (Ok(10_u64), 3));

        let (_, report) = run(OnError::Fail);
        let Err(PipelineError::Failed(why)) = report else { panic!("it went on") };
        assert!(why.contains("picky") && why.contains("multiple of ten"), "{why}");
    }
}

/// > An item that always kills its worker becomes one dead letter, and the rest is exact.
#[test]
fn an_item_that_always_kills_its_worker_becomes_one_dead_letter_and_the_rest_is_exact() {
    let node = Node::start().unwrap();
    let mut sum = 0;
    let report = Pipeline::source((1..500_u64).filter(|n| n % 10 != 0))
        .stage(options("picky", 2), Picky { deadly: Some(33) })
        .run(&node, Workers::Processes, |n: u64| sum += n)
        .unwrap();
    assert_eq!(sum, (1..500).filter(|n| n % 10 != 0).sum::<u64>() - 33);
    assert_eq!(report.stages[0].dead_letters, 1);
    // The third that dies is not replaced if by then that item was the last.
    assert!((2..=3).contains(&report.stages[0].restarts), "{}", report.stages[0].restarts);
    let letter = &report.dead_letters[0];
    assert_eq!((letter.item(), letter.attempts), (Ok(33_u64), 3));
    assert!(letter.reason.contains("SIGKILL"), "{}", letter.reason);
}

/// > Workers that never finish an item end the pipeline with an error.
#[test]
fn workers_that_never_finish_an_item_end_the_pipeline() {
    /// Cannot even begin.
    #[derive(Clone, Serialize, Deserialize)]
    struct Deadly;
    impl Stage for Deadly {
        type In = u64;
        type Out = u64;
        fn item(&mut self, _: u64, _: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
            std::process::exit(7)
        }
    }
    let node = Node::start().unwrap();
    let run = Pipeline::source(0..1000).stage(options("deadly", 2), Deadly).run(
        &node,
        Workers::Processes,
        |_: u64| (),
    );
    let Err(PipelineError::Failed(why)) = run else { panic!("it came to an end") };
    assert!(why.contains("deadly"), "{why}");
}

/// Runs a pipeline over a source without end until Ctrl-C; how many items were read and delivered.
fn drains(node: &Node, (): ()) -> (u64, u64) {
    node.stop_on_signals().unwrap();
    let begun: Queue<u64> = node.open("/begun").unwrap();
    let mut delivered = 0;
    let report = Pipeline::source(0_u64..)
        .stage(options("repeat", 2), Repeat(1))
        .run(node, Workers::Processes, |_: u64| {
            delivered += 1;
            if delivered == 1000 {
                begun.put_confirmed(1).unwrap();
            }
        })
        .unwrap();
    (report.read, delivered)
}

/// > After `Node::stop_on_signals`, Ctrl-C or SIGTERM ends the source, and the rest drains; a second one kills.
#[test]
fn ctrl_c_or_sigterm_ends_the_source_and_drains_the_rest() {
    let node = Node::start().unwrap();
    let begun: Queue<u64> = node.create("/begun", QueueOptions::new()).unwrap();
    for signal in [2, 15] {
        let drains = node.spawn("drains", drains, ()).unwrap();
        begun.get().unwrap();
        send_signal(drains.pid(), signal);
        let (read, delivered) = drains.join().unwrap();
        assert!(read >= 1000 && read == delivered, "{read} {delivered}");
    }
}

/// > After `Node::stop_on_signals`, Ctrl-C or SIGTERM ends the source, and the rest drains; a second one kills.
#[test]
fn a_second_ctrl_c_kills_a_program_that_does_not_come_to_its_end() {
    fn stays(node: &Node, (): ()) {
        let says: Queue<u64> = node.open("/says").unwrap();
        node.stop_on_signals().unwrap();
        says.put_confirmed(1).unwrap();
        assert!(node.wait_stopping(PATIENCE));
        says.put_confirmed(2).unwrap();
        loop {
            pause(PATIENCE);
        }
    }
    let node = Node::start().unwrap();
    let says: Queue<u64> = node.create("/says", QueueOptions::new()).unwrap();
    let stays = node.spawn("stays", stays, ()).unwrap();
    for said in [1, 2] {
        assert_eq!(says.get(), Ok(said));
        send_signal(stays.pid(), 2);
    }
    assert!(matches!(stays.join(), Err(JoinError::Signalled { signal: 2, .. })));
}

/// > A pipeline that fails leaves no thread and no process.
#[test]
fn a_pipeline_that_fails_leaves_no_thread_and_no_process() {
    let node = Node::start().unwrap();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let mut pids: Vec<u32> = Vec::new();
    for round in 0..20 {
        let mode = if round < 15 { Workers::Threads } else { Workers::Processes };
        let run = Pipeline::source(0_u64..)
            .stage(options("repeat", 3), WhoRepeats)
            .stage(options("picky", 2).on_error(OnError::Fail), PickyPairs)
            .run(&node, mode, |(_, pid): (u64, u32)| pids.push(pid));
        assert!(matches!(run, Err(PipelineError::Failed(_))));
    }
    eventually("the threads are gone", || threads() <= before);
    pids.retain(|pid| *pid != std::process::id());
    assert!(!pids.is_empty(), "no process has worked");
    eventually("the processes are gone", || pids.iter().all(|pid| stop_state(*pid).is_none()));
}

/// Passes numbers on, each with the process that did.
#[derive(Clone, Serialize, Deserialize)]
struct WhoRepeats;

impl Stage for WhoRepeats {
    type In = u64;
    type Out = (u64, u32);
    fn item(&mut self, n: u64, out: &mut Outputs<(u64, u32)>) -> Result<(), Box<dyn Error>> {
        out.put(&(n, std::process::id()));
        Ok(())
    }
}

/// Passes pairs on until the thousandth.
#[derive(Clone, Serialize, Deserialize)]
struct PickyPairs;

impl Stage for PickyPairs {
    type In = (u64, u32);
    type Out = (u64, u32);
    fn item(&mut self, pair: Self::In, out: &mut Outputs<Self::Out>) -> Result<(), Box<dyn Error>> {
        out.put(&pair);
        if pair.0 == 1000 { Err("that is enough".into()) } else { Ok(()) }
    }
}

/// > So do workers that die of giving out what they hold.
#[test]
fn workers_that_die_giving_out_what_they_hold_end_the_pipeline() {
    /// Adds up, and dies when asked for the sum.
    #[derive(Clone, Serialize, Deserialize)]
    struct Reticent;
    impl Stage for Reticent {
        type In = u64;
        type Out = u64;
        const HOLDS: bool = true;
        fn item(&mut self, _: u64, _: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
            Ok(())
        }
        fn flush(&mut self, _: &mut Outputs<u64>) {
            kill_self();
        }
    }
    let node = Node::start().unwrap();
    let run = Pipeline::source(0..10).stage(options("reticent", 1), Reticent).run(
        &node,
        Workers::Processes,
        |_: u64| (),
    );
    let Err(PipelineError::Failed(why)) = run else { panic!("it came to an end") };
    assert!(why.contains("reticent") && why.contains("gave out") && why.contains("SIGKILL"), "{why}");
}

/// > A dead letter gives its item back, handles included.
#[test]
fn a_dead_letter_brings_the_handles_in_its_item_back() {
    /// Wants nothing.
    #[derive(Clone, Serialize, Deserialize)]
    struct Refuse;
    impl Stage for Refuse {
        type In = Queue<u64>;
        type Out = u64;
        fn item(&mut self, _: Queue<u64>, _: &mut Outputs<u64>) -> Result<(), Box<dyn Error>> {
            Err("no".into())
        }
    }
    let node = Node::start().unwrap();
    let queue: Queue<u64> = node.anonymous(QueueOptions::new());
    queue.put(5).unwrap();
    let report = Pipeline::source([queue])
        .stage(options("refuse", 1).on_error(OnError::Retry(0)), Refuse)
        .run(&node, Workers::Processes, |_: u64| ())
        .unwrap();
    let again: Queue<u64> = report.dead_letters[0].item().unwrap();
    assert_eq!(again.get(), Ok(5));
}
