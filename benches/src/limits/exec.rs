//! Starting a process until it says hello: this program again, which writes one byte and ends.

use std::io::{self, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{Measured, Outcome, Trouble};
use crate::helper::Helper;

/// Starts `count` processes one after another, each until its hello.
pub(crate) fn to_hello(count: u64) -> Outcome {
    let (mut until_hello, begun) = (Duration::ZERO, Instant::now());
    for _ in 0..count {
        let start = Instant::now();
        let mut helper = Helper::start("hello", &[], Stdio::null(), Stdio::piped())?;
        let mut word = [0];
        helper.child().stdout.take().ok_or(Trouble::failed("no pipe"))?.read_exact(&mut word)?;
        until_hello += start.elapsed();
        helper.finish()?;
    }
    let all = begun.elapsed().as_secs_f64() / count as f64;
    let measured = Measured { operations: count, seconds: until_hello.as_secs_f64(), ..Measured::default() };
    Ok(measured.note("until reaped", all * 1e6, "us"))
}

/// The helper's side.
pub(crate) fn hello() -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(b"!")?;
    out.flush()
}
