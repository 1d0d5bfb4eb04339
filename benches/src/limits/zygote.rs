//! Starting a process as a copy of a small one that was started before, until it says hello.
//!
//! Between the two is a socket: a byte asks, the copy answers with its hello and ends, and then the one that was copied says that it has collected it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::harness::{Measured, Outcome, check};
use crate::helper::{self, Helper};

/// What a copy says.
const HELLO: u8 = b'!';
/// What the one that was copied says when the copy has ended.
const COLLECTED: u8 = b'.';

/// Has `count` processes forked one after another, each until its hello.
pub(crate) fn to_hello(count: u64) -> Outcome {
    let (helper, mut socket) = Helper::with_socket("zygote", &[])?;
    start_one(&mut socket)?;
    let (mut until_hello, begun) = (Duration::ZERO, Instant::now());
    for _ in 0..count {
        let (hello, collected) = start_one(&mut socket)?;
        check("the answers", &[hello.0, collected], &[HELLO, COLLECTED])?;
        until_hello += hello.1;
    }
    let all = begun.elapsed().as_secs_f64() / count as f64;
    drop(socket);
    helper.finish()?;
    let measured = Measured { operations: count, seconds: until_hello.as_secs_f64(), ..Measured::default() };
    Ok(measured.note("until reaped", all * 1e6, "us"))
}

/// The hello, with the time until it came, and what came after it.
fn start_one(socket: &mut UnixStream) -> io::Result<((u8, Duration), u8)> {
    let start = Instant::now();
    socket.write_all(b"?")?;
    let hello = next(socket)?;
    let took = start.elapsed();
    Ok(((hello, took), next(socket)?))
}

fn next(socket: &mut UnixStream) -> io::Result<u8> {
    let mut word = [0];
    socket.read_exact(&mut word)?;
    Ok(word[0])
}

/// The helper's side: copies itself when it is asked to, until the socket's end.
pub(crate) fn copy_when_asked() -> io::Result<()> {
    let mut socket = helper::socket()?;
    while socket.read(&mut [0])? == 1 {
        // SAFETY: this process has one thread, so nothing that the copy uses is locked by another.
        match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                let said = socket.write_all(&[HELLO]);
                // SAFETY: ends the copy here; nothing that it has needs to be dropped.
                unsafe { libc::_exit(i32::from(said.is_err())) }
            }
            copy => {
                let mut status = 0;
                // SAFETY: `status` is there for as long as the call lasts, and the copy is a child of this process.
                if unsafe { libc::waitpid(copy, &raw mut status, 0) } != copy || status != 0 {
                    return Err(io::Error::other(format!("the copy ended with status {status}")));
                }
                socket.write_all(&[COLLECTED])?;
            }
        }
    }
    Ok(())
}
