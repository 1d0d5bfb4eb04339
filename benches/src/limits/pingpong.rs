//! Eight bytes there and back over a Unix stream, with three ways to wait for them.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, epoll, poll};

use crate::harness::{Outcome, check};
use crate::helper::{self, Helper};
use crate::rows::latency::Latencies;

/// How long the yielding way asks before it blocks.
const YIELD_FOR: Duration = Duration::from_micros(50);
/// Round trips before the clock starts.
const WARM_UP: u64 = 100;

/// How a side waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// A blocking read.
    Blocking,
    /// An epoll before each read, as an event loop does.
    Epoll,
    /// Asking and yielding for a while, then a poll.
    Yielding,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Blocking => "blocking",
            Way::Epoll => "epoll",
            Way::Yielding => "yielding",
        }
    }
}

/// One side of the line.
#[derive(Debug)]
struct Line {
    socket: UnixStream,
    epoll: OwnedFd,
    way: Way,
}

impl Line {
    fn new(socket: UnixStream, way: Way) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &socket, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        socket.set_nonblocking(matches!(way, Way::Yielding))?;
        Ok(Self { socket, epoll, way })
    }

    /// The next message, or none once the other side has closed.
    fn read(&mut self) -> io::Result<Option<u64>> {
        let mut message = [0; 8];
        match self.way {
            Way::Blocking => {}
            Way::Epoll => {
                let mut events = Vec::with_capacity(1);
                epoll::wait(&self.epoll, spare_capacity(&mut events), None)?;
            }
            Way::Yielding => return self.read_yielding(),
        }
        // Eight bytes written at once arrive at once.
        match self.socket.read(&mut message)? {
            8 => Ok(Some(u64::from_le_bytes(message))),
            _ => Ok(None),
        }
    }

    fn read_yielding(&mut self) -> io::Result<Option<u64>> {
        let mut message = [0; 8];
        let mut until = Instant::now() + YIELD_FOR;
        loop {
            match self.socket.read(&mut message) {
                Ok(8) => return Ok(Some(u64::from_le_bytes(message))),
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if Instant::now() < until {
                std::thread::yield_now();
            } else {
                poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None)?;
                until = Instant::now() + YIELD_FOR;
            }
        }
    }
}

/// `count` round trips, each after `pause`. With `halved`, an operation is one way.
pub(crate) fn round_trips(way: Way, count: u64, pause: Duration, ways: u64) -> Outcome {
    let (helper, socket) = Helper::with_socket("echo", &[way.name().to_owned()])?;
    let mut line = Line::new(socket, way)?;
    let mut latencies = Latencies::new(count, ways);
    let mut sum = 0;
    for number in 0..WARM_UP + count {
        if !pause.is_zero() && number >= WARM_UP {
            std::thread::sleep(pause);
        }
        let start = Instant::now();
        line.socket.write_all(&number.to_le_bytes())?;
        sum += line.read()?.unwrap_or(0);
        if number >= WARM_UP {
            latencies.add(start.elapsed());
        }
    }
    drop(line);
    helper.finish()?;
    check("sum of the answers", &sum, &crate::item::sum_of(WARM_UP + count))?;
    Ok(latencies.measured())
}

/// The helper's side.
pub(crate) fn echo(args: &[String]) -> io::Result<()> {
    let way = match args.first().map(String::as_str) {
        Some("epoll") => Way::Epoll,
        Some("yielding") => Way::Yielding,
        _ => Way::Blocking,
    };
    let mut line = Line::new(helper::socket()?, way)?;
    while let Some(message) = line.read()? {
        line.socket.write_all(&message.to_le_bytes())?;
    }
    Ok(())
}
