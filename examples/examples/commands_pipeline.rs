// cargo run --release -p callboard-examples --example commands_pipeline
//! Programs in a pipeline: one is its source, one runs for each item on several cores, one is its sink. As
//! `seq 300000 | gzip | gunzip | wc -l` in a shell, but that the packing is done by two at a time, and that nothing is lost if one of them is killed.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};

use callboard::Node;
use callboard::pipeline::{CommandStage, Pipeline, StageOptions, Workers};
use serde_bytes::ByteBuf;

/// As many bytes as an item has, and then up to the end of the line.
const ITEM_BYTES: u64 = 1 << 18;

/// The next whole lines, none at the end.
fn lines(from: &mut impl BufRead) -> Option<ByteBuf> {
    let mut item = Vec::new();
    from.take(ITEM_BYTES).read_to_end(&mut item).ok()?;
    from.read_until(b'\n', &mut item).ok()?;
    (!item.is_empty()).then(|| ByteBuf::from(item))
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::start()?;
    let numbers = node.command("seq").arg("300000").stdout_captured().spawn()?;
    let unpack = node.command("sh").args(["-c", "gunzip | wc -l"]);
    let unpack = unpack.stdin_piped().stdout_captured().spawn()?;

    let mut from = BufReader::new(numbers.stdout().ok_or("its output is captured")?);
    let mut to = unpack.stdin().ok_or("its input is piped")?;
    let mut written = Ok(());
    // Packed parts behind each other are a packed whole.
    let report = Pipeline::source(std::iter::from_fn(|| lines(&mut from)))
        .stage(StageOptions::new("pack").workers(2), CommandStage::new(&node, "gzip").arg("-c"))
        .run(&node, Workers::Processes, |packed| {
            if written.is_ok() {
                written = to.write_all(&packed);
            }
        })?;
    written?;
    drop(to); // The end of its input.
    numbers.wait()?;

    println!("items packed: {}", report.delivered);
    for line in unpack.stdout().ok_or("its output is captured")?.lines() {
        println!("lines unpacked: {}", line?);
    }
    unpack.wait()?;

    // One program, given all it reads and asked for all it writes.
    let sorted = node.command("sort").arg("-rn").output(b"2\n30\n1\n")?;
    println!("sorted: {:?}, {:?}", String::from_utf8_lossy(&sorted.stdout), sorted.end);
    Ok(())
}
