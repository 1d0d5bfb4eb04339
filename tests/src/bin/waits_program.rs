//! A program for the test `waits_told`: a job of three processes that wait, until a line comes by standard input.
//!
//! The first argument says what is special; `main` lists them. What it waits for it says on standard error, when asked.

use std::error::Error;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use callboard::{Event, EventOptions, Failure, Lock, LockOptions, Node, Queue, QueueOptions};

/// Waits for a lock that its grandparent holds.
fn below(_: &Node, (lock, queue): (Lock, Queue<String>)) -> Result<(), Failure> {
    queue.put("below".to_owned())?;
    drop(lock.lock()?);
    Ok(())
}

/// Waits for its child, which waits two levels below the root.
fn middle(node: &Node, (lock, queue): (Lock, Queue<String>)) -> Result<(), Failure> {
    node.spawn("below", below, (lock, queue))?.join()??;
    Ok(())
}

/// Three processes, of which each waits for another.
fn job(node: &Node) -> Result<(), Box<dyn Error>> {
    let lock: Lock = node.create("/lock", LockOptions::new())?;
    let said: Queue<String> = node.anonymous(QueueOptions::new());
    let held = lock.lock()?;
    let middle = node.spawn("middle", middle, (lock.clone(), said.clone()))?;
    said.get()?;
    println!("ready {}", middle.pid());
    wait_for_a_line(node)?;
    drop(held);
    middle.join()??;
    Ok(())
}

/// Waits in this crate for something that comes when standard input has a byte, or ends.
fn wait_for_a_line(node: &Node) -> Result<(), Box<dyn Error>> {
    let lines: Queue<u8> = node.create("/lines", QueueOptions::new())?;
    let reads = lines.clone();
    std::thread::spawn(move || {
        let _ = io::stdin().read(&mut [0]);
        reads.put(1)
    });
    lines.get()?;
    println!("went on");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let mut bell = None;
    if mode == "own-handler" {
        let (ours, theirs) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGQUIT, theirs)?;
        bell = Some(ours);
    }
    let node = Node::start()?;
    match mode.as_str() {
        "job" => {
            assert!(node.print_waits_on_quit()?);
            assert!(node.print_waits_on_quit()?, "twice is once");
            job(&node)
        }
        // As the environment says.
        "job-as-told" => job(&node),
        "idle" => {
            assert!(node.print_waits_on_quit()?);
            println!("ready 0");
            let _ = io::stdin().read(&mut [0]);
            println!("went on");
            Ok(())
        }
        "own-handler" => {
            assert!(!node.print_waits_on_quit()?, "the program has a handler of its own");
            println!("ready 0");
            let mut bell = bell.ok_or("it was made above")?;
            println!("heard {}", bell.read(&mut [0])?);
            Ok(())
        }
        "later-handler" => {
            assert!(node.print_waits_on_quit()?);
            let (mut ours, theirs) = UnixStream::pair()?;
            signal_hook::low_level::pipe::register(signal_hook::consts::SIGQUIT, theirs)?;
            println!("ready 0");
            println!("heard {}", ours.read(&mut [0])?);
            wait_for_a_line(&node)
        }
        "ended" => {
            assert!(node.print_waits_on_quit()?);
            drop(node);
            println!("ready 0");
            let _ = io::stdin().read(&mut [0]);
            Ok(())
        }
        "second-node" => {
            assert!(node.print_waits_on_quit()?);
            drop(node);
            let node = Node::start()?;
            assert!(node.print_waits_on_quit()?, "the handler that is there is ours");
            println!("ready 0");
            wait_for_a_line(&node)
        }
        "warns" => {
            // The environment has another time, which this replaces.
            node.warn_after(Some(Duration::from_millis(200)))?;
            let event: Event = node.create("/event", EventOptions::new())?;
            // Too short to be told of.
            for _ in 0..20 {
                event.wait_timeout(Duration::from_millis(5))?;
            }
            println!("ready 0");
            wait_for_a_line(&node)?;
            node.warn_after(None)?;
            Ok(())
        }
        other => Err(format!("{other:?} is not known").into()),
    }
}
