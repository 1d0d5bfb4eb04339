// cargo run --release -p callboard-examples --example region_named
//! A worker attaches to shared memory by its name and doubles the numbers in it, in place. Then nothing of it is left in the system.

use callboard::{Failure, Node, Region, RegionOptions};

/// Attaches, doubles all numbers, and leaves; the memory stays.
fn double(node: &Node, name: String) -> Result<usize, Failure> {
    let region: Region = node.open(&name)?;
    let mapping = region.map()?;
    let numbers = mapping.view::<u64>()?;
    for (index, number) in numbers.iter().enumerate() {
        numbers.set(index, 2 * number)?;
    }
    Ok(numbers.len())
}

/// How many regions this process has mapped or open.
fn in_the_system() -> std::io::Result<usize> {
    let is_region = |text: &str| text.contains("callboard-region");
    let mapped = std::fs::read_to_string("/proc/self/maps")?.lines().filter(|line| is_region(line)).count();
    let links =
        std::fs::read_dir("/proc/self/fd")?.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    Ok(mapped + links.filter(|link| is_region(&link.to_string_lossy())).count())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let region: Region = node.create("/numbers", RegionOptions::new(5 * size_of::<u64>()))?;
    let mapping = region.map()?;
    mapping.view::<u64>()?.copy_from_slice(&[1, 2, 3, 4, 5])?;

    let doubled = node.spawn("worker", double, "/numbers".to_owned())?.join()??;
    println!("the worker doubled {doubled} numbers: {:?}", mapping.view::<u64>()?.copy_to_vec());
    println!("it has left, and nodes that have the region: {}", region.holders()?);

    drop(mapping);
    region.close()?;
    println!("closed; the name stands for a region: {}", node.open::<Region>("/numbers").is_ok());
    println!("left in the system: {}", in_the_system()?);
    Ok(())
}
