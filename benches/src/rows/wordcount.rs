//! The main job over one large file: the example in its modes, and others doing the same.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::idle::field;
use super::text::{Text, listed};
use crate::clock::cpu_used;
use crate::harness::{Bench, Measured, Outcome, Row, Trouble, Unit, ours, peer};
use crate::peers::words;

/// How often a child is killed.
const KILL_EVERY: Duration = Duration::from_millis(100);
/// How often the job's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many looks are between two kills.
const LOOKS_PER_KILL: u32 = (KILL_EVERY.as_millis() / LOOK_EVERY.as_millis()) as u32;

const AWK: &str = r#"{ gsub(/[^A-Za-z]+/, " "); $0 = tolower($0); for (i = 1; i <= NF; i++) n[$i]++ }
       END { for (w in n) print n[w] "\t" w }"#;
const PIPE: &str = r#"tr -cs A-Za-z '\n' < "$0" | tr A-Z a-z | sort | uniq -c"#;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/words.py");

pub(super) fn row() -> Row {
    Row {
        name: "wordcount",
        about: "the words of a file of 200 MB (2 MB in a smoke run) counted",
        unit: Unit::Time,
        contestants: vec![
            ours("default", |b| job(b, &[], Kill::Nobody)),
            ours("--threads", |b| job(b, &["--threads"], Kill::Nobody)),
            ours("--inline", |b| job(b, &["--inline"], Kill::Nobody)),
            ours("killed", |b| job(b, &[], Kill::Children)),
            peer("plain loop", |b| here(b, |text| Ok(words::streaming(text.path())?))),
            peer("crossbeam threads", |b| here(b, |text| words::threads(text.path(), 2))),
            peer("Python, fused", |b| program(b, "python3", &[SCRIPT])),
            peer("mawk", |b| program(b, "mawk", &[AWK])),
            peer("coreutils pipe", |b| program(b, "sh", &["-c", PIPE])),
        ],
    }
}

/// Whom the job loses while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kill {
    Nobody,
    /// One of its children after another.
    Children,
}

fn text(bench: &Bench) -> Result<&Text, Trouble> {
    if bench.text.get().is_none() {
        let _ = bench.text.set(Text::generate(bench.size(200_000_000, 2_000_000))?);
    }
    bench.text.get().ok_or(Trouble::failed("no text"))
}

/// The example, which lies beside this program.
fn job(bench: &Bench, args: &[&str], kill: Kill) -> Outcome {
    let text = text(bench)?;
    let program: PathBuf = std::env::current_exe()?.with_file_name("wordcount");
    if !program.exists() {
        let why = format!("no {}: cargo build --release -p callboard-examples", program.display());
        return Err(Trouble::Skipped(why));
    }
    let mut command = Command::new(program);
    command.args(args).arg(text.path());
    let (output, measured) = run(command, kill)?;
    same(&output, &text.counted)?;
    Ok(measured)
}

/// Another program that takes the file as its last argument.
fn program(bench: &Bench, name: &str, args: &[&str]) -> Outcome {
    let text = text(bench)?;
    let mut command = Command::new(name);
    command.args(args).arg(text.path()).env("LC_ALL", "C");
    let (output, measured) = run(command, Kill::Nobody)?;
    // Some print in another order or other columns.
    let mut counts = HashMap::new();
    for line in output.lines() {
        let mut columns = line.split_whitespace();
        if let (Some(count), Some(word)) = (columns.next(), columns.next()) {
            counts.insert(word.to_owned(), count.parse()?);
        }
    }
    same(&listed(counts), &text.counted)?;
    Ok(measured)
}

/// A function of this process; what it counts is listed within the measured time, as the programs do.
fn here(bench: &Bench, count: fn(&Text) -> Result<HashMap<String, u64>, Trouble>) -> Outcome {
    let text = text(bench)?;
    let (start, before) = (Instant::now(), cpu_used());
    let output = listed(count(text)?);
    let measured = whole(start, before);
    same(&output, &text.counted)?;
    Ok(measured)
}

fn whole(start: Instant, cpu_before: Duration) -> Measured {
    let used = cpu_used().saturating_sub(cpu_before);
    Measured {
        operations: 1,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: Some(used.as_secs_f64()),
        ..Measured::default()
    }
}

fn same(output: &str, wanted: &str) -> Result<(), Trouble> {
    if output == wanted {
        return Ok(());
    }
    let differ = output.lines().zip(wanted.lines()).find(|(got, wanted)| got != wanted);
    let (got, want) = (output.lines().count(), wanted.lines().count());
    Err(Trouble::Failed(format!(
        "wrong counts: {got} lines instead of {want}, the first other one {differ:?}"
    )))
}

/// Runs a program to its end; what it printed, its time and the memory of its first process.
fn run(mut command: Command, kill: Kill) -> Result<(String, Measured), Trouble> {
    let mut complaints = tempfile::tempfile()?;
    let (start, before) = (Instant::now(), cpu_used());
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints.try_clone()?).spawn();
    let mut child = match started {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Trouble::Skipped(format!("{:?}: {error}", command.get_program())));
        }
        other => other?,
    };
    let pid = child.id();
    let (ended, end) = channel::<()>();
    let watching = std::thread::spawn(move || watch(pid, kill, &end));
    let mut output = String::new();
    child.stdout.take().ok_or(Trouble::failed("no pipe"))?.read_to_string(&mut output)?;
    // Nobody else waits for the child, so its number stays its own until here.
    drop(ended);
    let seen = watching.join().map_err(|_| Trouble::failed("the watching thread panicked"))?;
    let status = child.wait()?;
    let mut measured = whole(start, before);
    if !status.success() {
        let mut why = String::new();
        complaints.rewind()?;
        complaints.read_to_string(&mut why)?;
        return Err(Trouble::Failed(format!("{:?}: {status}: {}", command.get_program(), why.trim_end())));
    }
    // A program may be over before anybody has looked.
    if seen.peak_kib > 0 {
        measured = measured.note("peak of its first process", seen.peak_kib as f64 / 1024.0, "MiB");
    }
    if kill == Kill::Children {
        measured = measured.note("kills", f64::from(seen.kills), "");
    }
    Ok((output, measured))
}

/// What the watching thread saw.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    peak_kib: u64,
    kills: u32,
}

/// Looks at the process's memory until the channel closes, and kills its children if it is to.
fn watch(pid: u32, kill: Kill, end: &Receiver<()>) -> Seen {
    let mut seen = Seen::default();
    let mut looks = 0_u32;
    while end.recv_timeout(LOOK_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        seen.peak_kib = seen.peak_kib.max(field(&status, "VmHWM:"));
        looks += 1;
        if kill == Kill::Children && looks.is_multiple_of(LOOKS_PER_KILL) && kill_child(pid, seen.kills) {
            seen.kills += 1;
        }
    }
    seen
}

/// Kills a child of the process, by turns; whether there was one.
fn kill_child(parent: u32, turn: u32) -> bool {
    let mut children: Vec<i32> = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
    }
    if children.is_empty() {
        return false;
    }
    children.sort_unstable();
    let victim = Pid::from_raw(children[turn as usize % children.len()]);
    victim.is_some_and(|victim| kill_process(victim, Signal::KILL).is_ok())
}
