//! What is read without serde: byte strings, the heads of messages to actors, of work and reports, of messages in pipes, and encoded
//! values that are changed where they lie.

use callboard_core::ByteStrings;

use super::{Draw, encoded};
use crate::actor::read_head;
use crate::protocol::message_pack::{Kind, Operation, Series, count, readable};

pub(super) fn run(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else { return };
    match which % 8 {
        0 => strings(rest),
        1 => numbers(rest),
        2 => series(rest),
        3 => shown(rest),
        4 => read_head(rest),
        5 => crate::pool::fuzz_heads(rest),
        6 => crate::protocol::pipe::fuzz_heads(rest),
        _ => crate::protocol::queue::fuzz_inbox(rest),
    }
}

fn strings(bytes: &[u8]) {
    let mut strings = ByteStrings::new(bytes);
    let (mut count, mut total) = (0, 0);
    let mut is_over = false;
    while let Some(string) = strings.next() {
        assert!(!is_over, "after an error there is no more");
        count += 1;
        match string {
            Ok(string) => total += string.len(),
            Err(_) => is_over = true,
        }
        assert!(strings.position() <= bytes.len());
    }
    assert!(count <= bytes.len() && total <= bytes.len());
}

/// Two numbers as a dict may hold them and be told to count by.
fn numbers(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let kind = Kind::ALL[draw.below(Kind::ALL.len())];
    let operation = [Operation::Add, Operation::Max, Operation::Min][draw.below(3)];
    let (before, by) = match draw.flag() {
        true => (encoded(&draw.number()), encoded(&(draw.number() as i64))),
        false => (draw.some_bytes().to_vec(), draw.rest().to_vec()),
    };
    for before in [None, Some(&*before)] {
        if let Ok(after) = count(operation, kind, before, &by) {
            // What comes out is a number of that kind, so it can be counted on.
            assert!(count(Operation::Max, kind, Some(&after), &after).is_ok());
        }
    }
}

fn series(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let (more, tail) = (draw.number() as u32, draw.some_bytes());
    for series in [Series::Array, Series::Text] {
        let mut value = bytes.to_vec();
        match series.extend(&mut value, more, tail) {
            Ok(_) => assert!(value.ends_with(tail) && value.len() <= bytes.len() + tail.len() + 4),
            Err(_) => assert_eq!(value, bytes),
        }
    }
}

fn shown(bytes: &[u8]) {
    for most in [0, 7, 200] {
        assert!(readable(bytes, most).chars().count() <= most + 1);
    }
}
