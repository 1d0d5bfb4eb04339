//! A program for the test `signals`: what it, its children and other programs do at signals, as they see it themselves.

use std::error::Error;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use callboard::pool::PoolOptions;
use callboard::{Event, EventOptions, Node};
use callboard_tests::eventually;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM, SIGUSR1};

const LONG: Duration = Duration::from_secs(600);

/// The signals that have names. Of the others the system's own library has some for itself.
const NAMED: u64 = (1 << 31) - 1;

/// Which signals this process blocks, ignores and handles, in that order.
fn signals() -> io::Result<String> {
    Ok(masks(&std::fs::read_to_string("/proc/self/status")?))
}

/// The same for any process, of which that is the status.
fn masks(status: &str) -> String {
    let fields = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let lines = status.lines().filter_map(|line| {
        let field = fields.iter().find(|field| line.starts_with(**field))?;
        let mask = u64::from_str_radix(line[field.len()..].trim(), 16).ok()?;
        Some(format!("{:x}", mask & NAMED))
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// What a child has, and whether it is the head of a process group.
fn of_child(_: &Node, (): ()) -> (String, bool) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let group = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(2));
    (signals().unwrap_or_default(), group == Some(&*std::process::id().to_string()))
}

fn returns(_: &Node, number: u64) -> u64 {
    number
}

fn panics(_: &Node, (): ()) {
    panic!("as it was told");
}

fn stays(node: &Node, (): ()) {
    while !node.wait_stopping(LONG) {}
}

/// Uses whatever may have to do with signals.
fn uses_all(node: &Node) -> Result<(), Box<dyn Error>> {
    assert_eq!(node.spawn("returns", returns, 1)?.join()?, 1);
    node.command("true").spawn()?.wait()?;
    let pool = node.pool(PoolOptions::new().workers(1))?;
    assert_eq!(pool.submit(|n: u64| n, 2)?.result()?, 2);
    let event: Event = node.create("/event", EventOptions::new())?;
    assert!(!event.wait_timeout(Duration::from_millis(1))?);
    node.on_child_exit(|_| ())?;
    node.warn_after(Some(LONG))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let before = signals()?;
    let (earlier, later) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let ended = Arc::new(AtomicUsize::new(0));
    // Children come by here too, and set the same.
    match mode.as_str() {
        "children" => _ = signal_hook::flag::register(SIGUSR1, Arc::clone(&earlier))?,
        "handlers" => {
            for signal in [SIGINT, SIGTERM] {
                signal_hook::flag::register(signal, Arc::clone(&earlier))?;
            }
        }
        "child-handler" => {
            let counts = Arc::clone(&ended);
            // It counts, and does nothing else.
            signal_hook::flag::register_usize(SIGCHLD, counts, 1)?;
        }
        _ => {}
    }
    let node = Node::start()?;
    match mode.as_str() {
        "untouched" => {
            uses_all(&node)?;
            let now = signals()?;
            drop(node);
            println!("{}", if before == now && before == signals()? { "same" } else { "changed" });
        }
        "children" => {
            let (child, is_head) = node.spawn("child", of_child, ())?.join()?;
            println!("child {child} {is_head}");
            let program = node.command("cat").arg("/proc/self/status").stdout_captured().spawn()?;
            let mut text = String::new();
            program.stdout().ok_or("it is captured")?.read_to_string(&mut text)?;
            println!("program {}", masks(&text));
        }
        "handlers" => {
            node.stop_on_signals()?;
            for signal in [SIGINT, SIGTERM] {
                signal_hook::flag::register(signal, Arc::clone(&later))?;
            }
            println!("ready");
            eventually("it is asked to end", || node.stopping());
            eventually("both run", || earlier.load(Ordering::SeqCst) && later.load(Ordering::SeqCst));
            println!("all three");
            drop(node);
            println!("node ended");
            std::thread::park_timeout(LONG);
        }
        "child-handler" | "children-ignored" => {
            let returned = node.spawn("returns", returns, 3)?.join()?;
            let killed = node.spawn("stays", stays, ())?;
            killed.kill()?;
            let why = killed.join().err().ok_or("it was killed")?;
            eventually("it is told", || mode == "children-ignored" || ended.load(Ordering::SeqCst) == 1);
            println!("returned {returned}, killed: {why}");
            let panics = node.process("panics").stderr_null().spawn(panics, ())?;
            println!("{}", panics.join().err().ok_or("it panics")?);
        }
        other => return Err(format!("{other:?} is not known").into()),
    }
    Ok(())
}
