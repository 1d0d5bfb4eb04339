//! Other programs run to their end, and as stages, sources and sinks of pipelines.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callboard::pipeline::{CommandStage, OnError, Outputs, Pipeline, Stage, StageOptions, Workers};
use callboard::{CommandError, CommandOutputError, JoinError, Node};
use callboard_tests::{LeakCheck, PATIENCE, eventually, none_left, none_runs, pause, send_signal};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

callboard::test_door!();

/// > A program's whole output is gathered, with how it ended, whatever the sizes of its input and output.
#[test]
fn a_programs_whole_output_is_gathered() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let said = node.command("sh").args(["-c", "cat; echo problem >&2; exit 3"]).output(b"text").unwrap();
    assert_eq!((&said.stdout[..], &said.stderr[..]), (&b"text"[..], &b"problem\n"[..]));
    assert_eq!(said.end, Err(JoinError::Exited(3)));
    let large: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let both = node.command("sh").args(["-c", "tee /dev/stderr"]).output(&large).unwrap();
    assert_eq!(both.end, Ok(()));
    assert!(both.stdout == large && both.stderr == large, "more than pipes hold, on all three at once");
    let unread = node.command("true").output(&large).unwrap();
    assert_eq!((unread.end, unread.stdout.len()), (Ok(()), 0), "what is not read is no error");
    let null = node.command("sh").args(["-c", "echo a; echo b >&2"]).stderr_to_stdout().output(b"").unwrap();
    assert_eq!((&null.stdout[..], &null.stderr[..]), (&b"a\nb\n"[..], &b""[..]));
    let killed = node.command("sh").args(["-c", "echo last; kill -9 $$"]).output(b"").unwrap();
    assert_eq!(killed.stdout, b"last\n");
    assert!(matches!(killed.end, Err(JoinError::Signalled { signal: 9, .. })));
}

/// > A program that takes too long or writes too much is killed, and that is an error.
#[test]
fn a_program_that_takes_too_long_or_writes_too_much_is_killed() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for script in
        ["exec sleep 1000", "cat >&2; exec sleep 1000", "exec >&- 2>&-; exec sleep 1000", "kill -STOP $$"]
    {
        let short = Duration::from_millis(30);
        let error =
            node.command("sh").args(["-c", script]).output_timeout(&[b'x'; 300_000], short).unwrap_err();
        assert!(matches!(error, CommandOutputError::TimedOut { within, .. } if within == short), "{error}");
    }
    for script in ["cat /dev/zero", "cat /dev/zero >&2"] {
        let error = node.command("sh").args(["-c", script]).output(b"").unwrap_err();
        assert!(matches!(error, CommandOutputError::TooMuch { most: 0x400_0000, .. }), "{error}");
        assert!(error.to_string().contains("\"sh\" has written more than 67108864 bytes"), "{error}");
    }
    let error = node.command("no-such-program").output(b"").unwrap_err();
    assert!(matches!(error, CommandOutputError::Start(CommandError::NotFound { .. })), "{error}");
}

/// Blocks of lines, each with its number.
fn blocks(count: u32) -> impl Iterator<Item = ByteBuf> {
    (0..count).map(|n| ByteBuf::from(format!("block {n}\n").repeat(50).into_bytes()))
}

fn shouted(count: u32) -> BTreeSet<Vec<u8>> {
    blocks(count).map(|block| block.to_ascii_uppercase()).collect()
}

/// > A program is a stage: each item is its input, and its output is put out, however the workers run.
#[test]
fn a_program_is_a_stage() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for workers in [Workers::Processes, Workers::Threads, Workers::Inline] {
        let script =
            CommandStage::new(&node, "sh").args(["-c", "pwd >&2; tr a-z \"$TO\""]).env("TO", "A-Z").cwd("/");
        let (mut results, mut count) = (BTreeSet::new(), 0);
        Pipeline::source(blocks(20))
            .stage(StageOptions::new("shout").workers(2), script)
            .run(&node, workers, |block: ByteBuf| {
                results.insert(block.into_vec());
                count += 1;
            })
            .unwrap();
        assert_eq!((results, count), (shouted(20), 20), "{workers:?}");
    }
}

/// > A program that fails is an error of its item, with what it said; so is one that takes too long.
#[test]
fn a_program_that_fails_is_an_error_of_its_item() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let script =
        "read first number; case $number in 3) echo this one not >&2; exit 7;; 5) exec sleep 1000;; esac";
    let stage = CommandStage::new(&node, "sh").args(["-c", script]).timeout(Duration::from_secs(10));
    let options = StageOptions::new("picky").workers(2).on_error(OnError::Retry(0));
    let report =
        Pipeline::source(blocks(8)).stage(options, stage).run(&node, Workers::Processes, |_| ()).unwrap();
    assert_eq!((report.delivered, report.dead_letters.len()), (6, 2));
    let reasons: BTreeSet<&str> = report.dead_letters.iter().map(|letter| letter.reason.as_str()).collect();
    let exited = reasons.iter().find(|reason| reason.contains("exit code 7"));
    assert!(exited.is_some_and(|reason| reason.ends_with(": this one not")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("has not ended within 10s")), "{reasons:?}");
}

/// Numbers are what the workers of the next stage are killed by.
#[derive(Clone, Serialize, Deserialize)]
struct Pids;

impl Stage for Pids {
    type In = ByteBuf;
    type Out = (u32, ByteBuf);

    fn item(
        &mut self,
        item: ByteBuf,
        out: &mut Outputs<(u32, ByteBuf)>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        out.put(&(std::process::id(), item));
        Ok(())
    }
}

/// > Whichever workers and programs are killed, each item's output comes out once, and no program is left.
#[test]
fn killed_workers_and_programs_lose_and_double_nothing() {
    const BLOCKS: u32 = 150;
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    // A name of its own, by which the programs are known.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().canonicalize().unwrap().join("shouts");
    std::fs::copy("/bin/sh", &program).unwrap();
    let running = || {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
            .collect::<Vec<_>>()
    };
    let is_over = AtomicBool::new(false);
    let (results, count, kills) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut kills = 0;
            while !is_over.load(Relaxed) {
                pause(Duration::from_millis(15));
                let workers = node.active_children();
                let workers =
                    workers.iter().filter(|child| child.name.contains("shout")).map(|child| child.pid);
                let victims: Vec<u32> = if kills % 2 == 0 { workers.collect() } else { running() };
                if let Some(victim) = victims.get(kills % victims.len().max(1)) {
                    send_signal(*victim, 9);
                    kills += 1;
                }
            }
            kills
        });
        let script = CommandStage::new(&node, &program).args(["-c", "sleep 0.01; exec tr a-z A-Z"]);
        let options = StageOptions::new("shout").workers(3).on_error(OnError::Retry(1000)).max_deaths(1000);
        let (mut results, mut count) = (BTreeSet::new(), 0);
        let ran = Pipeline::source(blocks(BLOCKS))
            .stage(options, script)
            .stage(StageOptions::new("pids"), Pids)
            .run(&node, Workers::Processes, |(_, block): (u32, ByteBuf)| {
                results.insert(block.into_vec());
                count += 1;
            });
        is_over.store(true, Relaxed);
        let kills = killer.join().unwrap();
        ran.unwrap();
        (results, count, kills)
    });
    assert!(kills > 3, "it ended before it could be disturbed");
    assert_eq!((results, count), (shouted(BLOCKS), BLOCKS), "after {kills} kills");
    none_left("no program is left", running);
}

/// > A program's output is a pipeline's source, and a program's input its sink.
#[test]
fn programs_are_source_and_sink() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let counts = node.command("seq").arg("20000").stdout_captured().spawn().unwrap();
    let sums = node.command("awk").arg("{ s += $1 } END { print NR, s }");
    let sums = sums.stdin_piped().stdout_captured().spawn().unwrap();
    let mut numbers = BufReader::new(counts.stdout().unwrap());
    let blocks = std::iter::from_fn(|| {
        let mut block = Vec::new();
        for _ in 0..1000 {
            numbers.read_until(b'\n', &mut block).unwrap();
        }
        (!block.is_empty()).then(|| ByteBuf::from(block))
    });
    let mut input = sums.stdin().unwrap();
    let doubles = CommandStage::new(&node, "awk").arg("{ print $1 * 2 }");
    Pipeline::source(blocks)
        .stage(StageOptions::new("double").workers(2), doubles)
        .run(&node, Workers::Processes, |block| input.write_all(&block).unwrap())
        .unwrap();
    drop(input);
    let mut said = String::new();
    sums.stdout().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "20000 400020000\n");
    assert_eq!((counts.wait(), sums.wait()), (Ok(()), Ok(())));
}

/// Runs a pipeline of programs that takes for ever.
fn endless(node: &Node, (): ()) {
    let stage = CommandStage::new(node, "sleep").arg("1000");
    let _ = Pipeline::source(blocks(2)).stage(StageOptions::new("sleep").workers(2), stage).run(
        node,
        Workers::Processes,
        |_| (),
    );
}

/// > With the process killed that runs a pipeline no program of its stages lives on.
#[test]
fn with_the_pipelines_process_killed_no_program_lives_on() {
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    for _ in 0..5 {
        let child = node.process("pipeline").stderr_null().spawn(endless, ()).unwrap();
        let mut programs = Vec::new();
        eventually("both programs run", || {
            programs = descendants(child.pid());
            programs.retain(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|n| n == "sleep\n")
            });
            programs.len() == 2
        });
        send_signal(programs[0], 19);
        let begun = Instant::now();
        child.kill().unwrap();
        assert!(child.join_timeout(PATIENCE).is_err());
        none_runs("no program lives on", &programs);
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// All processes below one.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", found[at])).into_iter().flatten().flatten();
        for task in tasks {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().map(|child| child.parse::<u32>().unwrap()));
        }
        at += 1;
    }
    found.split_off(1)
}

/// A stage's directory, program and arguments may have any bytes that the system takes.
#[test]
fn a_stages_words_may_be_no_text() {
    let odd = OsStr::from_bytes(b"odd-\xff");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(odd);
    std::fs::create_dir(&place).unwrap();
    let node = Node::start().unwrap();
    let stage = CommandStage::new(&node, "sh").args(["-c", "pwd; printf '%s %s' \"$0\" \"$ODD\""]).arg(odd);
    let mut said = Vec::new();
    Pipeline::source([ByteBuf::new()])
        .stage(StageOptions::new("odd"), stage.env("ODD", odd).cwd(&place))
        .run(&node, Workers::Processes, |text: ByteBuf| said = text.into_vec())
        .unwrap();
    let expected = [place.canonicalize().unwrap().as_os_str().as_bytes(), b"\nodd-\xff odd-\xff"].concat();
    assert_eq!(said, expected);
}
