// cargo run --release -p callboard-examples --example pipe_shout
//! A pipe that goes both ways: a worker answers in capitals until the other end is closed, and a one-way pipe for the rest.

use callboard::{Node, PipeEnd, PipeSender, RecvError};

/// Answers each text; the loop ends when nobody can send any more.
fn shout(_: &Node, (end, log): (PipeEnd<String, String>, PipeSender<String>)) -> usize {
    let mut count = 0;
    loop {
        match end.recv() {
            Ok(text) => {
                let sent = end.send(text.to_uppercase());
                count += usize::from(sent.is_ok());
            }
            Err(RecvError::Closed) => break,
            Err(error) => eprintln!("{error}"),
        }
    }
    // A one-way pipe: `log.recv()` would not compile.
    if log.send(format!("the worker saw the close after {count} texts")).is_err() {
        eprintln!("nobody reads the log");
    }
    count
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let (end, theirs) = node.pipe::<String, String>()?;
    let (sender, log) = node.one_way_pipe::<String>()?;
    let worker = node.spawn("worker", shout, (theirs, sender))?;

    for text in ["hello", "world"] {
        end.send(text.to_owned())?;
        println!("{text} -> {}", end.recv()?);
    }
    drop(end);
    println!("{}", log.recv()?);
    println!("joined: {}", worker.join()?);
    match log.recv() {
        Err(RecvError::Closed) => println!("this end saw the close too"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
