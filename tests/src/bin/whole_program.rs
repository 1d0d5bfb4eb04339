//! A program for the test of the same name: a supervisor with children of each kind, until it is told to end or gives up.
//!
//! The first argument says what is special: `nothing`, `refuses` (a child that does not end when it is asked) or `gives-up` (one that always
//! fails). What happens is written to standard output, by whoever it happens to. Other arguments are for whoever looks for its processes.

use std::error::Error;
use std::time::Duration;

use callboard::{Actor, ChildSpec, Context, Exit, Failure, Node, Shutdown, SupervisorSpec};

const LONG: Duration = Duration::from_secs(600);

/// Says when it starts and ends.
struct Says(String);

impl Actor for Says {
    type Message = ();
    type Args = String;

    fn start(_: &mut Context<()>, name: String) -> Result<Self, Failure> {
        println!("{name} starts in {}", std::process::id());
        Ok(Says(name))
    }

    fn handle(&mut self, _: &mut Context<()>, (): ()) -> Result<(), Failure> {
        Ok(())
    }

    fn stopped(&mut self, _: &mut Context<()>, _: &Exit) {
        println!("{} ends", self.0);
    }
}

fn here(name: &'static str) -> ChildSpec {
    ChildSpec::actor(name, move |node| node.actor::<Says>(name.to_owned())).shutdown(Shutdown::Within(LONG))
}

fn apart(name: &'static str) -> ChildSpec {
    ChildSpec::actor(name, move |node| node.actor::<Says>(name.to_owned()).own_process())
        .shutdown(Shutdown::Within(LONG))
}

/// A process until it is asked to end.
fn says(node: &Node, name: String) -> Result<(), Failure> {
    println!("{name} starts in {}", std::process::id());
    while !node.wait_stopping(LONG) {}
    println!("{name} ends");
    Ok(())
}

/// A process that goes on when it is asked to end.
fn refuses(node: &Node, name: String) -> Result<(), Failure> {
    says(node, name)?;
    loop {
        std::thread::park();
    }
}

fn fails(_: &Node, name: String) -> Result<(), Failure> {
    println!("{name} starts in {}", std::process::id());
    Err(Failure::new("as always"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    node.stop_on_signals()?;
    let below = SupervisorSpec::new().quiet().child(apart("third")).child(here("fourth"));
    let spec = SupervisorSpec::new()
        .quiet()
        .max_restarts(2, LONG)
        .child(here("first"))
        .child(ChildSpec::process("second", says, "second".to_owned()).shutdown(Shutdown::Within(LONG)))
        .child(ChildSpec::supervisor("below", below));
    let process = |f| ChildSpec::process("last", f, "last".to_owned()).shutdown(Shutdown::Unlimited);
    let spec = match std::env::args().nth(1).as_deref() {
        Some("nothing") => spec.child(apart("last")),
        Some("refuses") => spec.child(process(refuses)),
        Some("gives-up") => spec.child(process(fails)),
        other => return Err(format!("{other:?} is not known").into()),
    };
    let supervisor = node.supervise(&spec)?;
    Ok(supervisor.run()?)
}
