//! Pipelines: the same results however the workers run, and exact totals whoever is killed.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use callboard::pipeline::{OnError, Outputs, Pipeline, PipelineError, Stage, StageOptions, Workers};
use callboard::{JoinError, Node, Queue, QueueOptions};
use callboard_tests::{PATIENCE, eventually, is_running, kill_self, pause, send_signal};
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

#[test]
fn an_item_that_always_kills_its_worker_becomes_one_dead_letter_and_the_rest_is_exact() {
    let node = Node::start().unwrap();
    let mut sum = 0;
    let report = Pipeline::source((1..500_u64).filter(|n| n % 10 != 0))
        .stage(options("picky", 2), Picky { deadly: Some(33) })
        .run(&node, Workers::Processes, |n: u64| sum += n)
        .unwrap();
    assert_eq!(sum, (1..500).filter(|n| n % 10 != 0).sum::<u64>() - 33);
    assert_eq!((report.stages[0].dead_letters, report.stages[0].restarts), (1, 3));
    assert_eq!((report.dead_letters[0].item(), report.dead_letters[0].attempts), (Ok(33_u64), 3));
}

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

#[test]
fn a_pipeline_of_threads_that_fails_leaves_no_thread() {
    let node = Node::start().unwrap();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    for _ in 0..20 {
        let run = Pipeline::source(0_u64..)
            .stage(options("repeat", 3), Repeat(1))
            .stage(options("picky", 2).on_error(OnError::Fail), Picky { deadly: None })
            .run(&node, Workers::Threads, |_: u64| ());
        assert!(matches!(run, Err(PipelineError::Failed(_))));
    }
    eventually("the threads are gone", || threads() <= before);
}

/// The word-count program, built in the profile of this test.
fn wordcount() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let folder = deps.ancestors().nth(2).unwrap().to_owned();
    let mut build = Command::new(env!("CARGO"));
    // At the workspace's root, so that its parts are built as for these tests.
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(["build", "-q", "--bin", "wordcount"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(folder.parent().unwrap());
    assert!(build.status().unwrap().success());
    folder.join("wordcount")
}

/// Text of many words, lines of any length and bytes of any kind, and its counts as the program prints them for so many
/// copies of it.
fn text(lines: u64) -> (tempfile::NamedTempFile, impl Fn(u64) -> String) {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut text = Vec::new();
    let mut state = 88_172_645_463_325_252_u64;
    for line in 0..lines {
        for _ in 0..line % 23 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let word = format!("{}x{}", ["a", "Be", "CeD"][(state % 3) as usize], state % 997)
                .replace(|c: char| c.is_ascii_digit(), "q");
            let word = format!("{word}{}", "zyxwv".get(..(state % 6) as usize).unwrap_or("w"));
            *counts.entry(word.to_ascii_lowercase()).or_default() += 1;
            text.extend_from_slice(word.as_bytes());
            text.push([b' ', 0xff, b'-', b'\t', 0][(state % 5) as usize]);
        }
        text.push(b'\n');
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let printed = move |copies| {
        counts.iter().map(|(word, count)| format!("{}\t{word}\n", count * copies)).collect::<String>()
    };
    (file, printed)
}

/// The live children of a process.
fn children_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn word_counts_are_exact_in_every_mode_and_while_workers_are_killed_all_along() {
    let program = wordcount();
    let (file, expected) = text(200_000);
    for mode in
        [&["--counters", "3"][..], &["--threads"], &["--inline"], &["--batch", "1000", "--parsers", "1"]]
    {
        let out = Command::new(&program).args(mode).arg(file.path()).output().unwrap();
        assert!(out.status.success());
        assert!(String::from_utf8(out.stdout).unwrap() == expected(1), "{mode:?}");
    }
    for round in 0..3 {
        let mut run = Command::new(&program);
        run.args(["--batch", "500", "--counters", "2"]).args([file.path(); 5]);
        let out = tempfile::NamedTempFile::new().unwrap();
        let mut run = run.stdout(out.reopen().unwrap()).stderr(Stdio::null()).spawn().unwrap();
        let mut kills = 0;
        while run.try_wait().unwrap().is_none() {
            pause(Duration::from_millis(40));
            let children = children_of(run.id());
            if let Some(child) = children.get((kills + round) % children.len().max(1)) {
                send_signal(*child, 9);
                kills += 1;
            }
        }
        assert!(run.wait().unwrap().success());
        assert!(kills > 2, "it ended before it could be disturbed");
        assert!(fs::read_to_string(out.path()).unwrap() == expected(5), "after {kills} kills");
    }
}

#[test]
fn what_can_not_be_read_is_named_and_the_rest_is_counted() {
    let program = wordcount();
    let (file, expected) = text(100);
    let out = Command::new(&program).arg("/nowhere/to/be/found").arg(file.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("/nowhere/to/be/found"));
    assert_eq!(String::from_utf8(out.stdout).unwrap(), expected(1));
}

#[test]
fn killing_the_root_of_a_pipeline_leaves_no_process() {
    let program = wordcount();
    let (file, _) = text(100_000);
    for round in 0..10 {
        let paths = std::iter::repeat_n(file.path(), 20);
        let mut root =
            Command::new(&program).args(paths).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut children = Vec::new();
        eventually("the workers run", || {
            children = children_of(root.id());
            children.len() >= 2
        });
        pause(Duration::from_millis(5 * round));
        send_signal(children[0], 19);
        send_signal(root.id(), 9);
        root.wait().unwrap();
        eventually("no worker is left", || !children.iter().any(|pid| is_running(*pid)));
    }
}
