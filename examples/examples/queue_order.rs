// cargo run --release -p callboard-examples --example queue_order
//! Queues whose next item is the last one that was put, or that with the lowest priority.

use callboard::{LifoQueue, Node, PriorityQueue, QueueOptions};

fn fill(_: &Node, (last, lowest): (LifoQueue<u32>, PriorityQueue<String>)) -> Result<(), callboard::Failure> {
    last.put_many([1, 2, 3])?;
    for (priority, task) in [(5, "sweep"), (1, "put out the fire"), (3, "cook"), (1, "call for help")] {
        lowest.put((priority, task.to_owned()))?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let last: LifoQueue<u32> = node.anonymous(QueueOptions::new());
    let lowest: PriorityQueue<String> = node.anonymous(QueueOptions::new());
    node.spawn("fill", fill, (last.clone(), lowest.clone()))?.join()??;

    println!("{:?}", [last.get()?, last.get()?, last.get()?]);
    lowest.close()?;
    for (priority, task) in &lowest {
        println!("{priority} {task}");
    }
    Ok(())
}
