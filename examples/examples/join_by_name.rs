// cargo run --release -p callboard-examples --example join_by_name
//! A program that nobody spawned joins a running job by its name and puts into its queue. (Here it is this program once more, with an argument.)

use std::process::Command;

use callboard::{Node, Queue, QueueOptions};

/// The stationer: a job with a name, which takes orders.
fn take_orders() -> Result<(), Box<dyn std::error::Error>> {
    let name = format!("stationer-{}", std::process::id());
    let node = Node::start_named(&name)?;
    let orders: Queue<String> = node.create("/orders", QueueOptions::new())?;

    let is_listed = callboard::jobs()?.iter().any(|job| job.name == name && job.pid == std::process::id());
    println!("among the running jobs: {is_listed}");

    let mut customer = Command::new(std::env::current_exe()?).arg(&name).spawn()?;
    for _ in 0..2 {
        println!("ordered: {}", orders.get()?);
    }
    println!("the customer left: {}", customer.wait()?.success());
    Ok(())
}

/// The customer knows the job's name and nothing else of it.
fn order(job: &str) -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::join(job)?;
    let orders: Queue<String> = node.open("/orders")?;
    orders.put("3 pens".to_owned())?;
    orders.put_confirmed("1 bottle of ink".to_owned())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        Some(job) => order(&job),
        None => take_orders(),
    }
}
