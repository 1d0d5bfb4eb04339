//! A program for the test `guest_programs`: it joins the job that its first argument names, and puts readings there.
//!
//! The second argument is what it calls itself, the third how many it puts, `endless`, or `stranger`: then it opens the queue as one of a type of its own.

use std::error::Error;

use callboard::{Dict, Event, EventOptions, Node, Queue};
use callboard_tests::Reading;

/// A type that is only called alike.
mod own {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(crate) struct Reading {
        number: u64,
    }
}

/// Puts so many, and counts each when it has been put.
fn puts(node: &Node, source: &str, count: u64) -> Result<(), Box<dyn Error>> {
    // While it is there, this name is taken.
    let _here: Event = node.create(&format!("/here/{source}"), EventOptions::new())?;
    let readings: Queue<Reading> = node.open("/readings")?;
    let counts: Dict<String, u64> = node.open("/counts")?;
    for number in 0..count {
        readings.put(Reading { source: source.to_owned(), number })?;
        counts.add(source, 1)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [job, source, what] = &args[..] else { return Err("JOB, SOURCE and COUNT are needed".into()) };
    let node = Node::join(job)?;
    match what.as_str() {
        "endless" => puts(&node, source, u64::MAX),
        "stranger" => {
            let refused = node.open::<Queue<own::Reading>>("/readings").err();
            println!("{}", refused.ok_or("it was opened as another type")?);
            Ok(())
        }
        count => puts(&node, source, count.parse()?),
    }
}
