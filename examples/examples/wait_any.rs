// cargo run --release -p callboard-examples --example wait_any
//! Waits for whichever comes first: two queues, a pipe, an event, the end of a process, or a time.

use std::time::{Duration, Instant};

use callboard::{Event, EventOptions, Node, PipeSender, Queue, QueueOptions, WaitAny};

/// Does one thing after the other, each when it is told to.
fn works(
    _: &Node,
    (go, words, numbers, line, done): (Queue<()>, Queue<String>, Queue<u64>, PipeSender<char>, Event),
) -> Result<(), callboard::Failure> {
    go.get()?;
    words.put("a word".to_owned())?;
    go.get()?;
    numbers.put(42)?;
    go.get()?;
    line.send('x')?;
    go.get()?;
    done.set()?;
    go.get()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let go: Queue<()> = node.anonymous(QueueOptions::new());
    let words: Queue<String> = node.anonymous(QueueOptions::new());
    let numbers: Queue<u64> = node.anonymous(QueueOptions::new());
    let (sender, line) = node.one_way_pipe::<char>()?;
    let done: Event = node.anonymous(EventOptions::new());
    let args = (go.clone(), words.clone(), numbers.clone(), sender, done.clone());
    let worker = node.spawn("worker", works, args)?;

    let mut any = WaitAny::new(&node);
    let members = [
        (any.add(&words), "a queue of words"),
        (any.add(&numbers), "a queue of numbers"),
        (any.add(&line), "the pipe"),
        (any.add(&done), "the event"),
        (any.add(&worker), "the worker's end"),
    ];
    println!("at first: {:?}", any.wait_timeout(Duration::from_millis(5)));
    for _ in 0..members.len() {
        go.put(())?;
        let ready = any.wait().ok_or("there are members")?;
        let name = members.iter().find(|(member, _)| *member == ready).map_or("another", |(_, name)| name);
        println!("{name}");
        // The pipe and the event would stay ready.
        any.remove(ready);
    }
    worker.join()??;

    let deadline = any.add_time(Instant::now() + Duration::from_millis(10));
    println!("the time has come: {}", any.wait() == Some(deadline));
    Ok(())
}
