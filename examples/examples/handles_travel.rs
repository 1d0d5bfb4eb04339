// cargo run --release -p callboard-examples --example handles_travel
//! Handles are values: a queue goes through a queue, a dict into a dict, a lock and an end of a pipe by way of a child to its
//! child, and an end into a dict and out of it. Each works where it comes to.
//!
//! Handles of queues, dicts and the like may be copied and kept anywhere, since the object stays where it is. An end of a pipe is
//! there once: it moves, in arguments and results, through pipes and queues, and stays in a dict until somebody takes it out.

use callboard::{Dict, DictOptions, Failure, Lock, LockOptions, Node, PipeSender, Queue, QueueOptions};

/// Answers through whatever queue it is sent.
fn answer(_: &Node, calls: Queue<Queue<String>>) -> Result<(), Failure> {
    for back in &calls {
        back.put("hello by the queue that came by queue".to_owned())?;
    }
    Ok(())
}

/// Changes a dict that it finds in another.
fn look(_: &Node, outer: Dict<String, Dict<String, u64>>) -> Result<(), Failure> {
    let inner = outer.get("inner")?.ok_or_else(|| Failure::new("there is no inner dict"))?;
    inner.add("seen", 1)?;
    Ok(())
}

/// Does nothing itself: passes lock and end on.
fn child(node: &Node, both: (Lock, PipeSender<String>)) -> Result<(), Failure> {
    node.spawn("grandchild", grandchild, both)?.join()?
}

/// Says when it has the lock, which somebody else holds.
fn grandchild(node: &Node, (lock, end): (Lock, PipeSender<String>)) -> Result<(), Failure> {
    end.send(format!("hello from the {}, is the lock free: {}", node.name(), lock.try_lock()?.is_some()))?;
    let _guard = lock.lock()?;
    Ok(end.send(format!("the {} has the lock", node.name()))?)
}

/// Takes an end out of a dict, to be its only holder.
fn take(_: &Node, ends: Dict<String, PipeSender<String>>) -> Result<(), Failure> {
    let end = ends.remove("end")?.ok_or_else(|| Failure::new("somebody was faster"))?;
    Ok(end.send("hello by the end that was in a dict".to_owned())?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;

    let calls: Queue<Queue<String>> = node.anonymous(QueueOptions::new());
    let answering = node.spawn("answer", answer, calls.clone())?;
    let back: Queue<String> = node.anonymous(QueueOptions::new());
    calls.put(back.clone())?;
    println!("{}", back.get()?);
    calls.close()?;
    answering.join()??;

    let outer: Dict<String, Dict<String, u64>> = node.anonymous(DictOptions::new());
    let inner: Dict<String, u64> = node.anonymous(DictOptions::new());
    outer.insert("inner".to_owned(), inner.clone())?;
    node.spawn("look", look, outer)?.join()??;
    println!("the inner dict: {:?}", inner.snapshot()?);

    let (sender, receiver) = node.one_way_pipe::<String>()?;
    let lock: Lock = node.anonymous(LockOptions::new());
    let guard = lock.lock()?;
    let passing = node.spawn("child", child, (lock.clone(), sender))?;
    println!("{}", receiver.recv()?);
    drop(guard);
    println!("{}", receiver.recv()?);
    passing.join()??;

    let ends: Dict<String, PipeSender<String>> = node.anonymous(DictOptions::new());
    let (sender, receiver) = node.one_way_pipe::<String>()?;
    ends.insert("end".to_owned(), sender)?;
    println!("a copy of it: {}", ends.get("end").is_ok());
    node.spawn("take", take, ends)?.join()??;
    println!("{}", receiver.recv()?);
    Ok(())
}
