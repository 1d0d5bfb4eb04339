// cargo run --release -p callboard-examples --example commands
//! Other programs as children: their input, output, limits and ends. None of them outlives this program.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use callboard::{Limit, Node, WaitAny};

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;

    let sort = node.command("sort").arg("-n").stdin_piped().stdout_captured().spawn()?;
    let mut input = sort.stdin().ok_or("its input is piped")?;
    input.write_all(b"30\n4\n100\n")?;
    drop(input); // The end of its input.
    for line in sort.stdout().ok_or("its output is captured")?.lines() {
        println!("sorted: {}", line?);
    }
    sort.wait()?;

    let limited = node.command("sh").args(["-c", "ulimit -n; nice"]).limit(Limit::OpenFiles, 50).nice(19);
    let limited = limited.stdout_captured().spawn()?;
    for line in limited.stdout().ok_or("its output is captured")?.lines() {
        println!("set: {}", line?);
    }

    let failed = node.command("sh").args(["-c", "exit 3"]).spawn()?.wait();
    println!("failed: {failed:?}");
    if let Err(error) = node.command("no-such-program").env("PATH", "/bin").spawn() {
        println!("missing: {error}");
    }

    let sleeps = node.command("sleep").arg("1000").spawn()?;
    let soon = node.command("true").name("soon").spawn()?;
    let mut any = WaitAny::new(&node);
    let (_, first) = (any.add(&sleeps), any.add(&soon));
    println!("first to end: {}", if any.wait() == Some(first) { soon.name() } else { sleeps.name() });
    sleeps.terminate(Duration::from_secs(1))?;
    println!("asked to end: {:?}", sleeps.wait());
    Ok(())
}
