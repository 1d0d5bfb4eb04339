// cargo run --release -p callboard-examples --example dict_of_lists
//! A dict of lists, to which another process appends in place: everybody sees it.
//!
//! In a `Dict<String, List<u64>>` each value is a handle, and what it is a handle of is shared itself. In a
//! `Dict<String, Vec<u64>>` the values are plain, and what is got of them are copies: there the dict appends.

use callboard::{Dict, DictOptions, Failure, List, ListOptions, Node};

/// Appends to the odd numbers of both, without having been given the list itself.
fn append(
    _: &Node,
    (lists, vecs): (Dict<String, List<u64>>, Dict<String, Vec<u64>>),
) -> Result<usize, Failure> {
    let odd = lists.get("odd")?.ok_or_else(|| Failure::new("there are no odd numbers"))?;
    odd.push(5)?;
    Ok(vecs.append("odd", &5)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let odd: List<u64> = node.anonymous(ListOptions::new());
    odd.extend([1, 3])?;
    let lists: Dict<String, List<u64>> = node.create("/lists", DictOptions::new())?;
    lists.insert("odd".to_owned(), odd.clone())?;

    let vecs: Dict<String, Vec<u64>> = node.create("/vecs", DictOptions::new())?;
    vecs.insert("odd".to_owned(), vec![1, 3])?;
    let copy = vecs.get("odd")?;

    let length = node.spawn("append", append, (lists, vecs.clone()))?.join()??;
    println!("the shared list: {:?}", odd.snapshot()?);
    println!("the value, {length} long: {:?}", vecs.get("odd")?);
    println!("the copy from before: {copy:?}");
    Ok(())
}
