//! A program for the test `late_programs`: its children come to `Node::start` too late or never, and it spawns all the same.
//!
//! The first argument says which; `main` lists them. Each process says that it has begun, so they can be counted.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use callboard::Node;

/// In the environment of each child, as a program may know by some means of its own that it runs already.
const AGAIN: &str = "CALLBOARD_TEST_AGAIN";
const ROUNDS: usize = 3;
const CHILDREN: usize = 8;

fn nothing(_: &Node, (): ()) {}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    // By one write: many such processes share the file, and a line that is written in pieces mixes with theirs.
    let line = format!("Error: {error:?}\n");
    match std::io::stderr().write_all(line.as_bytes()) {
        Ok(()) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(3),
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    println!("begun {}", std::process::id());
    match std::env::args().nth(1).as_deref() {
        Some("leaves") if std::env::var_os(AGAIN).is_some() => return Ok(()),
        Some("leaves") => {}
        Some("threads-first") => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        other => return Err(format!("{other:?} is not known").into()),
    }
    // Whoever does not take no for an answer gets no other.
    let node = Node::start().or_else(|_| Node::start())?;
    for _ in 0..ROUNDS {
        let spawn = |_| node.process("late").env(AGAIN, "1").spawn(nothing, ());
        let children = (0..CHILDREN).map(spawn).collect::<Result<Vec<_>, _>>()?;
        for child in children {
            let why = child.join().err().ok_or("its function has run")?;
            println!("join: {why}");
        }
    }
    println!("over");
    Ok(())
}
