// cargo run --release -p callboard-examples --example process_tree
//! A tree of processes whose root is killed: none of it is left.
//!
//! This program starts itself a second time, as the root of a job of its own. That root has two children, each of them two, and
//! each of those two again. Once all fourteen have told their process ids, the root gets SIGKILL and can't tidy
//! up after itself. Its descendants see that their connections have ended, and end too.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard::{Failure, Node, Queue, QueueOptions};

const LEVELS: u32 = 3;
const DESCENDANTS: usize = 2 + 4 + 8;
/// How long the tree may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How long a process of the tree waits for its end, should nothing else end it.
const AT_MOST: Duration = Duration::from_secs(60);

/// The argument that makes this program the root that is killed.
const AS_ROOT: &str = "--as-root";

/// Grows two branches `levels` deep, each of which tells its process id.
fn grow(node: &Node, levels: u32, pids: &Queue<u32>) -> Result<(), Failure> {
    if levels == 0 {
        return Ok(());
    }
    for side in ["left", "right"] {
        node.spawn(side, branch, (levels - 1, pids.clone()))?;
    }
    Ok(())
}

fn branch(node: &Node, (levels, pids): (u32, Queue<u32>)) -> Result<(), Failure> {
    pids.put(std::process::id())?;
    grow(node, levels, &pids)?;
    node.wait_stopping(AT_MOST);
    Ok(())
}

/// The root that is killed: prints the process ids of all its descendants, and waits.
fn root(node: &Node) -> Result<(), Box<dyn Error>> {
    let pids: Queue<u32> = node.anonymous(QueueOptions::new());
    grow(node, LEVELS, &pids)?;
    for _ in 0..DESCENDANTS {
        println!("{}", pids.get()?);
    }
    node.wait_stopping(AT_MOST);
    Ok(())
}

/// Whether a process of this number runs. One that has ended but was not reaped yet does not.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status.lines().find_map(|line| line.strip_prefix("State:"));
    state.is_some_and(|state| !state.trim_start().starts_with(['Z', 'X']))
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    if std::env::args().any(|arg| arg == AS_ROOT) {
        return root(&node);
    }

    let mut other = Command::new(std::env::current_exe()?).arg(AS_ROOT).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(other.stdout.take().ok_or("no pipe")?).lines();
    let mut pids = Vec::new();
    for line in lines.take(DESCENDANTS) {
        pids.push(line?.parse::<u32>()?);
    }
    let running = |pids: &[u32]| pids.iter().filter(|pid| runs(**pid)).count();
    println!("the tree below process {}: {pids:?}", other.id());
    println!("{} descendants run", running(&pids));

    other.kill()?;
    let killed = Instant::now();
    println!("the root ended with {}", other.wait()?);
    while running(&pids) > 0 && killed.elapsed() < GONE_WITHIN {
        sleep(Duration::from_millis(5));
    }
    println!("{} descendants are left {:.1?} after the kill", running(&pids), killed.elapsed());
    println!("none was left after two seconds: {}", running(&pids) == 0);
    Ok(())
}
