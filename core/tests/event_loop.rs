//! The event loop over real sockets: who hears what, and when a turn ends.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use callboard_core::{EventLoop, Reactor, Readiness, Source, Token, Wants};
use mio::Poll;

/// No test waits longer for what must come.
const SOON: Duration = Duration::from_secs(10);
/// What is there already needs no waiting.
const NOW: Option<Duration> = Some(Duration::ZERO);

type Heard = (&'static str, Readiness);

/// A source that notes what it hears, and then does what the test wants done at that moment.
struct Ear {
    name: &'static str,
    heard: Sender<Heard>,
    then: Box<dyn Fn() + Send + Sync>,
}

impl Source for Ear {
    fn ready(&self, readiness: Readiness) {
        self.heard.send((self.name, readiness)).unwrap();
        (self.then)();
    }
}

/// A loop, and what its sources hear.
struct Stage {
    event_loop: EventLoop,
    reactor: Arc<Reactor>,
    heard: Receiver<Heard>,
    sender: Sender<Heard>,
}

fn stage() -> Stage {
    let event_loop = EventLoop::new(Poll::new().unwrap()).unwrap();
    let (sender, heard) = channel();
    Stage { reactor: event_loop.reactor(), event_loop, heard, sender }
}

/// Both ends of a socket; reads from them don't wait.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

impl Stage {
    fn ear(&self, name: &'static str) -> Arc<dyn Source> {
        self.ear_then(name, || {})
    }

    fn ear_then(&self, name: &'static str, then: impl Fn() + Send + Sync + 'static) -> Arc<dyn Source> {
        Arc::new(Ear { name, heard: self.sender.clone(), then: Box::new(then) })
    }

    fn listen(&self, name: &'static str, socket: &UnixStream) -> Token {
        self.reactor.register(socket.as_fd(), Wants::Reading, self.ear(name)).unwrap()
    }

    /// What one turn brings, of what is there already.
    fn turn(&mut self) -> Vec<Heard> {
        self.event_loop.turn(NOW).unwrap();
        self.heard.try_iter().collect()
    }

    fn names(&mut self) -> Vec<&'static str> {
        self.turn().into_iter().map(|(name, _)| name).collect()
    }
}

#[test]
fn what_can_be_read_reaches_its_source_and_no_other() {
    let mut stage = stage();
    let ((ours, mut theirs), (other, _open)) = (pair(), pair());
    stage.listen("ours", &ours);
    stage.listen("other", &other);
    assert_eq!(stage.turn(), []);
    theirs.write_all(b"x").unwrap();
    let readable = Readiness { readable: true, writable: false, ended: false };
    assert_eq!(stage.turn(), [("ours", readable)]);
}

#[test]
fn what_was_there_before_the_source_is_told_as_well() {
    let mut stage = stage();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"early").unwrap();
    stage.listen("ours", &ours);
    assert_eq!(stage.names(), ["ours"]);
}

#[test]
fn an_event_comes_once_and_again_with_new_bytes() {
    let mut stage = stage();
    let (ours, mut theirs) = pair();
    stage.listen("ours", &ours);
    for _ in 0..3 {
        theirs.write_all(b"x").unwrap();
        assert_eq!(stage.names(), ["ours"]);
        // Nothing was read, and still there is no second event for the same bytes.
        assert_eq!(stage.turn(), []);
    }
}

#[test]
fn a_turn_waits_for_bytes_from_another_thread() {
    let mut stage = stage();
    let (ours, mut theirs) = pair();
    stage.listen("ours", &ours);
    let writer = thread::spawn(move || {
        theirs.write_all(b"x").unwrap();
        theirs
    });
    assert_eq!(stage.event_loop.turn(Some(SOON)).unwrap(), 1);
    assert_eq!(stage.heard.try_iter().count(), 1);
    writer.join().unwrap();
}

#[test]
fn an_end_is_readable_and_writable_too() {
    let mut stage = stage();
    let (mut ours, theirs) = pair();
    stage.listen("ours", &ours);
    drop(theirs);
    let ended = Readiness { readable: true, writable: true, ended: true };
    assert_eq!(stage.turn(), [("ours", ended)]);
    assert_eq!(ours.read(&mut [0]).unwrap(), 0);
}

#[test]
fn room_to_write_is_told_to_those_who_want_it() {
    let mut stage = stage();
    let (mut ours, mut theirs) = pair();
    let token = stage.listen("ours", &ours);
    assert_eq!(stage.turn(), []);
    let block = [0; 4096];
    while ours.write(&block).is_ok() {}
    stage.reactor.rewatch(ours.as_fd(), token, Wants::ReadingAndWriting).unwrap();
    assert_eq!(stage.turn(), [], "a full socket has no room");
    let mut room = vec![0; 1 << 20];
    while theirs.read(&mut room).is_ok() {}
    let writable = Readiness { readable: false, writable: true, ended: false };
    assert_eq!(stage.turn(), [("ours", writable)]);
}

#[test]
fn rewatching_tells_anew_what_is_there() {
    let mut stage = stage();
    let (ours, mut theirs) = pair();
    let token = stage.listen("ours", &ours);
    theirs.write_all(b"x").unwrap();
    assert_eq!(stage.names(), ["ours"]);
    assert_eq!(stage.turn(), []);
    stage.reactor.rewatch(ours.as_fd(), token, Wants::Reading).unwrap();
    assert_eq!(stage.names(), ["ours"]);
}

#[test]
fn an_event_for_nobody_is_ignored() {
    let mut stage = stage();
    let any = Readiness { readable: true, writable: true, ended: true };
    stage.reactor.dispatch(12_345, any);
    assert_eq!(stage.turn(), []);
}

#[test]
fn a_turn_with_nothing_to_do_ends_at_its_timeout() {
    let mut stage = stage();
    let (ours, _open) = pair();
    stage.listen("ours", &ours);
    let timeout = Duration::from_millis(30);
    let begun = Instant::now();
    assert_eq!(stage.event_loop.turn(Some(timeout)).unwrap(), 0);
    assert!(begun.elapsed() >= timeout, "it took {:?} only", begun.elapsed());
    assert_eq!(stage.event_loop.turn(NOW).unwrap(), 0);
}

#[test]
fn a_source_that_was_deregistered_hears_nothing_and_is_let_go() {
    let mut stage = stage();
    let (ours, mut theirs) = pair();
    let ear = stage.ear("ours");
    let token = stage.reactor.register(ours.as_fd(), Wants::Reading, Arc::clone(&ear)).unwrap();
    theirs.write_all(b"x").unwrap();
    stage.reactor.deregister(ours.as_fd(), token);
    assert_eq!(Arc::strong_count(&ear), 1);
    assert_eq!(stage.turn(), []);
    drop(theirs);
    assert_eq!(stage.turn(), []);
    // A second time is what was asked for already.
    stage.reactor.deregister(ours.as_fd(), token);
}

#[test]
fn a_source_deregistered_by_another_in_the_same_turn_hears_nothing() {
    let mut stage = stage();
    let sockets = Arc::new([pair(), pair()]);
    let tokens = Arc::new(Mutex::new(Vec::new()));
    for (at, name) in ["first", "second"].into_iter().enumerate() {
        // Whoever comes first removes the other: the kernel's order is its own.
        let (reactor, all, removed) = (Arc::clone(&stage.reactor), Arc::clone(&sockets), Arc::clone(&tokens));
        let ear = stage.ear_then(name, move || {
            let other: &(UnixStream, UnixStream) = &all[1 - at];
            reactor.deregister(other.0.as_fd(), removed.lock().unwrap()[1 - at]);
        });
        let token = stage.reactor.register(sockets[at].0.as_fd(), Wants::Reading, ear).unwrap();
        tokens.lock().unwrap().push(token);
    }
    for (_, theirs) in sockets.iter() {
        (&mut &*theirs).write_all(b"x").unwrap();
    }
    assert_eq!(stage.names().len(), 1);
    assert_eq!(stage.turn(), []);
}

#[test]
fn a_source_may_deregister_itself() {
    let mut stage = stage();
    let (ours, mut theirs) = pair();
    let ours = Arc::new(ours);
    let token = Arc::new(Mutex::new(None));
    let (reactor, socket, own) = (Arc::clone(&stage.reactor), Arc::clone(&ours), Arc::clone(&token));
    let ear = stage.ear_then("ours", move || {
        reactor.deregister(socket.as_fd(), own.lock().unwrap().take().unwrap());
    });
    *token.lock().unwrap() = Some(stage.reactor.register(ours.as_fd(), Wants::Reading, ear).unwrap());
    theirs.write_all(b"x").unwrap();
    assert_eq!(stage.names(), ["ours"]);
    theirs.write_all(b"x").unwrap();
    assert_eq!(stage.turn(), []);
}

#[test]
fn the_next_at_a_place_hears_its_own_events_and_the_old_one_none() {
    let mut stage = stage();
    let ((old, mut old_theirs), (new, mut new_theirs)) = (pair(), pair());
    let old_token = stage.listen("old", &old);
    old_theirs.write_all(b"x").unwrap();
    stage.reactor.deregister(old.as_fd(), old_token);
    stage.listen("new", &new);
    assert_eq!(stage.turn(), []);
    drop(old_theirs);
    assert_eq!(stage.turn(), []);
    new_theirs.write_all(b"x").unwrap();
    assert_eq!(stage.names(), ["new"]);
}

#[test]
fn one_that_takes_a_place_within_a_turn_loses_none_of_its_events() {
    let mut stage = stage();
    let (first, mut first_theirs) = pair();
    let (new, mut new_theirs) = pair();
    let new = Arc::new(new);
    let token = Arc::new(Mutex::new(None));
    let (reactor, socket, own) = (Arc::clone(&stage.reactor), Arc::clone(&new), Arc::clone(&token));
    let (newcomer, old) = (stage.ear("new"), Arc::new(first));
    let place = Arc::clone(&old);
    let ear = stage.ear_then("old", move || {
        let token = own.lock().unwrap().take().unwrap();
        reactor.deregister(place.as_fd(), token);
        let taken = reactor.register(socket.as_fd(), Wants::Reading, Arc::clone(&newcomer)).unwrap();
        assert_ne!(taken, token, "a place taken again has another token");
    });
    *token.lock().unwrap() = Some(stage.reactor.register(old.as_fd(), Wants::Reading, ear).unwrap());
    first_theirs.write_all(b"x").unwrap();
    assert_eq!(stage.names(), ["old"]);
    new_theirs.write_all(b"x").unwrap();
    assert_eq!(stage.names(), ["new"]);
}

#[test]
fn an_event_for_a_place_taken_within_the_turn_reaches_the_old_source_never() {
    let mut stage = stage();
    let sockets = Arc::new([pair(), pair()]);
    let (new, mut new_theirs) = pair();
    let new = Arc::new(new);
    let tokens = Arc::new(Mutex::new(Vec::new()));
    for (at, name) in ["first", "second"].into_iter().enumerate() {
        // Whoever comes first gives the other's place to the newcomer: the kernel's order is its own.
        let (reactor, all, known) = (Arc::clone(&stage.reactor), Arc::clone(&sockets), Arc::clone(&tokens));
        let (socket, newcomer) = (Arc::clone(&new), stage.ear("new"));
        let ear = stage.ear_then(name, move || {
            let other: Token = known.lock().unwrap()[1 - at];
            reactor.deregister(all[1 - at].0.as_fd(), other);
            let taken = reactor.register(socket.as_fd(), Wants::Reading, Arc::clone(&newcomer)).unwrap();
            assert_ne!(taken, other, "a place taken again has another token");
        });
        let token = stage.reactor.register(sockets[at].0.as_fd(), Wants::Reading, ear).unwrap();
        tokens.lock().unwrap().push(token);
    }
    for (_, theirs) in sockets.iter() {
        (&mut &*theirs).write_all(b"x").unwrap();
    }
    let heard = stage.names();
    assert!(heard == ["first"] || heard == ["second"], "{heard:?}");
    assert_eq!((&*new).read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    new_theirs.write_all(b"x").unwrap();
    assert_eq!(stage.names(), ["new"]);
}

#[test]
fn what_cannot_be_watched_is_an_error_and_leaves_no_source() {
    let stage = stage();
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let ear = stage.ear("file");
    let refused = stage.reactor.register(file.as_fd(), Wants::Reading, Arc::clone(&ear));
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(Arc::strong_count(&ear), 1);
    assert_eq!(format!("{:?}", stage.reactor), "Reactor(0 sources)");
}

#[test]
fn more_events_than_one_turn_takes_come_in_the_next() {
    const SOURCES: usize = 300;
    let mut stage = stage();
    let sockets: Vec<_> = (0..SOURCES).map(|_| pair()).collect();
    for (ours, _) in &sockets {
        stage.listen("one", ours);
    }
    for (_, theirs) in &sockets {
        (&mut &*theirs).write_all(b"x").unwrap();
    }
    let (first, second) = (stage.turn().len(), stage.turn().len());
    assert!(first < SOURCES, "the test needs more sources");
    assert_eq!(first + second, SOURCES);
}
