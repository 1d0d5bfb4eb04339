// cargo run --release -p callboard-examples --example waits_named
//! A thread waits for a process that is stopped, and the program says so: what is waited for, whose it is, and what that process is doing.

use std::time::Duration;

use callboard::testing::{resume, stop};
use callboard::{Failure, Node, ProcessState, Queue, QueueOptions, WaitInfo};

/// Owns the queue that everybody waits for, and never puts anything.
fn keeper(node: &Node, (): ()) -> Result<(), Failure> {
    let _lines: Queue<String> = node.create("/lines", QueueOptions::new())?;
    while !node.wait_stopping(Duration::from_secs(60)) {}
    Ok(())
}

/// The wait, once its owner is seen in that state.
fn seen(node: &Node, state: ProcessState) -> WaitInfo {
    loop {
        let is_so = |wait: &WaitInfo| wait.owner().is_some_and(|owner| owner.state == state);
        if let Some(wait) = node.waits().into_iter().find(is_so) {
            return wait;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    // Ctrl-\ would write the same lines, of all processes of the job; and so does a wait of a minute, by itself.
    node.print_waits_on_quit()?;
    node.warn_after(Some(Duration::from_secs(60)))?;

    let keeper = node.spawn("keeper", keeper, ())?;
    let lines: Queue<String> = node.open_timeout("/lines", Duration::from_secs(60))?;
    let reads = std::thread::Builder::new().name("reader".to_owned()).spawn(move || lines.get())?;
    println!("{}", seen(&node, ProcessState::Runs));

    stop(keeper.pid());
    println!("{}", seen(&node, ProcessState::Stopped));

    resume(keeper.pid());
    keeper.terminate(Duration::from_secs(60));
    keeper.join()??;
    if let Ok(Err(error)) = reads.join() {
        println!("reader: {error}");
    }
    println!("waits now: {}", node.waits().len());
    Ok(())
}
