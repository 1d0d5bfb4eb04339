// cargo run --release -p callboard-examples --example queue_bounded
//! A queue with room for two items, and the three ways to put when there is none.
//!
//! `try_put` does not wait, `put_timeout` waits so long, `put` waits until a slow consumer has made room. An item that is
//! refused comes back with the error.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use callboard::{Node, PutError, Queue, QueueOptions};

const PACE: Duration = Duration::from_millis(50);

/// Takes its time before each item; what came, in order.
fn consume_slowly(_: &Node, numbers: Queue<u32>) -> Vec<u32> {
    let mut got = Vec::new();
    loop {
        sleep(PACE);
        match numbers.get() {
            Ok(number) => got.push(number),
            Err(_) => return got,
        }
    }
}

fn tell(verb: &str, outcome: Result<(), PutError<u32>>) {
    match outcome {
        Ok(()) => println!("{verb}: it is in"),
        Err(error) => {
            let why = error.to_string();
            println!("{verb}: {why}; {} came back", error.into_item());
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let numbers: Queue<u32> = node.anonymous(QueueOptions::new().capacity(2));
    tell("put 1", numbers.put(1));
    tell("put 2", numbers.put(2));

    tell("try_put 3", numbers.try_put(3));
    let begun = Instant::now();
    tell("put_timeout 3", numbers.put_timeout(3, PACE));
    println!("it waited its 50 ms: {}", begun.elapsed() >= PACE);

    let consumer = node.spawn("consumer", consume_slowly, numbers.clone())?;
    for number in 3..=6 {
        let begun = Instant::now();
        numbers.put(number)?;
        println!("put {number}: it is in, after {:.1?}", begun.elapsed());
    }
    numbers.close()?;
    println!("the consumer got {:?}", consumer.join()?);
    tell("put 7", numbers.put(7));
    Ok(())
}
