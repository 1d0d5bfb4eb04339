//! A program for the test `start_methods`: what it writes before its node has a place in a buffer, and then it has others forked.

use std::error::Error;
use std::fs::read_link;

use callboard::{Node, StartMethod};

/// Whoever started it, and what its output is.
fn says(_: &Node, name: String) {
    println!("{name}");
}

fn main() -> Result<(), Box<dyn Error>> {
    // No line's end: it is not written yet.
    print!("main ");
    let node = Node::start()?;
    node.set_start_method(StartMethod::ForkServer)?;
    for name in ["first", "second"] {
        node.spawn(name, says, name.to_owned())?.join()?;
    }
    println!();
    let children = std::fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id()))?;
    for server in children.split_whitespace() {
        let streams = [1, 2].map(|fd| read_link(format!("/proc/{server}/fd/{fd}")));
        let names = streams.into_iter().map(|name| name.map(|name| name.display().to_string()));
        println!("server {}", names.collect::<Result<Vec<_>, _>>()?.join(" "));
    }
    Ok(())
}
