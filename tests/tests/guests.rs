//! Programs that nobody spawned: they join a job, or are told why not, and cost the others nothing.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use callboard::{GetError, JoinJobError, NameError, Node, Queue, QueueOptions};
use callboard_core::{Flags, Header, Kind, Slot, append_message};
use callboard_tests::{PATIENCE, eventually};
use rustix::io::Errno;

callboard::test_door!();

/// Held by whoever has a job with a name: a process that has one is listed with that alone.
static NAMED: Mutex<()> = Mutex::new(());

/// "callbd" and version 1.
const HELLO_WORD: u64 = 0x6361_6c6c_6264_0001;

fn knock(node: &Node) -> UnixStream {
    let address = SocketAddr::from_abstract_name(format!("callboard/{}", node.job())).unwrap();
    let stream = UnixStream::connect_addr(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads to the end; what was said.
fn answer(mut stream: UnixStream) -> String {
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        // Closed while our own bytes were still unread there: what was said before has come.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn frame(kind: Kind, word: u64, body: &[u8]) -> Vec<u8> {
    let header = Header { length: 0, kind, flags: Flags::NONE, descriptors: 0, slot: Slot::default(), word };
    let mut out = Vec::new();
    append_message(&mut out, header, body);
    out
}

#[track_caller]
fn is_refused(node: &Node, bytes: &[u8], reason: &str) {
    let mut stream = knock(node);
    // It may be turned away after the first piece, and then there is nobody for the rest.
    let _ = stream.write_all(bytes);
    let said = answer(stream);
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
}

/// Passes numbers from one queue to another, as those who must not be disturbed.
fn pass(_: &Node, (from, to): (Queue<u64>, Queue<u64>)) {
    for n in &from {
        to.put(n).unwrap();
    }
}

/// Runs `disturb` while a child of the job works, and checks that its work is whole.
fn undisturbed(disturb: impl FnOnce(&Node)) {
    const COUNT: u64 = 50_000;
    let node = Node::start().unwrap();
    let there: Queue<u64> = node.anonymous(QueueOptions::new());
    let back: Queue<u64> = node.anonymous(QueueOptions::new());
    let child = node.spawn("pass", pass, (there.clone(), back.clone())).unwrap();
    let putter = std::thread::spawn(move || {
        there.put_many(0..COUNT).unwrap();
        there.close().unwrap();
    });
    let getter = std::thread::spawn(move || (0..COUNT).all(|n| back.get() == Ok(n)));
    disturb(&node);
    assert!(getter.join().unwrap(), "numbers were lost or out of order");
    putter.join().unwrap();
    child.join().unwrap();
}

/// > A guest opens and creates objects by name; when it leaves, its names are free and the others go on.
#[test]
fn a_guest_opens_objects_by_name_and_leaves_without_harm() {
    let node = Node::start().unwrap();
    let lines: Queue<String> = node.create("/lines", QueueOptions::new()).unwrap();
    let guest = Node::join(&node.job()).unwrap();
    assert!(!guest.is_root() && guest.job() == node.job());
    let seen: Queue<String> = guest.open("/lines").unwrap();
    seen.put_confirmed("from outside".to_owned()).unwrap();
    assert_eq!(lines.get().unwrap(), "from outside");

    let own: Queue<u64> = guest.create("/guest/numbers", QueueOptions::new()).unwrap();
    own.put(7).unwrap();
    let theirs: Queue<u64> = node.open("/guest/numbers").unwrap();
    assert_eq!(theirs.get(), Ok(7));
    drop((own, seen));
    drop(guest);
    eventually("its names are free", || {
        matches!(node.open::<Queue<u64>>("/guest/numbers"), Err(NameError::NotFound { .. }))
    });
    assert!(matches!(theirs.get(), Err(GetError::Disconnected)));
    lines.put("still here".to_owned()).unwrap();
    assert_eq!(lines.get().unwrap(), "still here");
}

/// > A killed guest's leases go back.
#[test]
fn a_guest_and_a_child_of_the_job_meet_and_a_killed_guest_gives_its_lease_back() {
    fn owns(node: &Node, (): ()) {
        let _queue: Queue<u64> = node.create("/owned", QueueOptions::new()).unwrap();
        node.wait_stopping(PATIENCE);
    }
    /// A process of another job, which joins this one.
    fn leases(_: &Node, job: String) {
        let guest = Node::join(&job).unwrap();
        let queue: Queue<u64> = guest.open("/owned").unwrap();
        let _lease = queue.lease().unwrap();
        let told: Queue<u64> = guest.open("/told").unwrap();
        told.put_confirmed(1).unwrap();
        guest.wait_stopping(PATIENCE);
    }
    let (ours, other) = (Node::start().unwrap(), Node::start().unwrap());
    let told: Queue<u64> = ours.create("/told", QueueOptions::new()).unwrap();
    let _owner = ours.spawn("owns", owns, ()).unwrap();
    let queue: Queue<u64> = ours.open_timeout("/owned", PATIENCE).unwrap();
    queue.put_confirmed(5).unwrap();
    let guest = other.spawn("leases", leases, ours.job()).unwrap();
    told.get().unwrap();
    guest.kill().unwrap();
    let lease = queue.lease().unwrap();
    assert_eq!((*lease, lease.attempt()), (5, 2));
    lease.ack();
}

/// > A guest outlives the root, and its handles say `Disconnected`.
#[test]
fn a_guest_outlives_the_root_and_its_handles_say_so() {
    let node = Node::start().unwrap();
    let _queue: Queue<u64> = node.create("/numbers", QueueOptions::new()).unwrap();
    let job = node.job();
    let guest = Node::join(&job).unwrap();
    let queue: Queue<u64> = guest.open("/numbers").unwrap();
    drop((_queue, node));
    assert!(matches!(queue.get(), Err(GetError::Disconnected)));
    assert!(matches!(guest.open::<Queue<u64>>("/numbers"), Err(NameError::Disconnected)));
    assert!(matches!(Node::join(&job), Err(JoinJobError::NoJob(name)) if name == job));
}

fn is_running(name: &str, pid: u32) -> bool {
    callboard::jobs().unwrap().iter().any(|job| job.name == name && job.pid == pid)
}

/// > A job is joined by the name it was given, and is listed under it; the name is free when its root has been killed.
#[test]
fn a_job_with_a_name_is_found_by_it_until_its_root_is_killed() {
    fn founds(node: &Node, (name, told): (String, Queue<String>)) {
        let founded = Node::start_named(&name).unwrap();
        let numbers: Queue<u64> = founded.create("/numbers", QueueOptions::new()).unwrap();
        told.put_confirmed(founded.job()).unwrap();
        assert_eq!(numbers.get(), Ok(7));
        told.put_confirmed(String::new()).unwrap();
        node.wait_stopping(PATIENCE);
    }
    let _turn = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    let node = Node::start().unwrap();
    assert!(is_running(&node.job(), std::process::id()));
    let told: Queue<String> = node.anonymous(QueueOptions::new());
    let name = format!("test-{}", node.job());
    for _ in 0..5 {
        assert!(matches!(Node::join(&name), Err(JoinJobError::NoJob(no)) if no == name));
        let child = node.spawn("founds", founds, (name.clone(), told.clone())).unwrap();
        let id = told.get().unwrap();
        let guest = Node::join(&name).unwrap();
        assert_eq!(guest.job(), id);
        guest.open::<Queue<u64>>("/numbers").unwrap().put_confirmed(7).unwrap();
        assert_eq!(told.get().unwrap(), "");
        assert!(is_running(&name, child.pid()) && !is_running(&id, child.pid()), "once, by its name");
        // By the id it can be joined as well.
        assert_eq!(Node::join(&id).unwrap().job(), id);
        let error = Node::start_named(&name).unwrap_err().to_string();
        assert!(error.contains(&name) && error.contains("another job of this user has it"), "{error}");
        child.kill().unwrap();
        child.join().unwrap_err();
        assert!(!callboard::jobs().unwrap().iter().any(|job| job.name == name || job.name == id));
    }
    assert!(
        is_running(&node.job(), std::process::id()),
        "a failed start has left nothing, and taken nothing"
    );
}

#[test]
fn a_job_is_not_called_just_anything() {
    let long = "x".repeat(65);
    for name in ["", "a/b", "two words", "0123456789abcdef", &long] {
        let error = Node::start_named(name).unwrap_err().to_string();
        assert!(error.starts_with("a job can't be called"), "{name:?}: {error}");
        assert!(matches!(Node::join(name), Err(JoinJobError::NoJob(_))), "{name:?}");
    }
}

/// > Garbage, wrong versions and oversized frames are refused with a reason, and nobody is disturbed.
#[test]
fn garbage_is_refused_with_a_reason() {
    undisturbed(|node| {
        let hello = |word, body: &[u8]| frame(Kind::Hello, word, body);
        is_refused(node, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "frame");
        is_refused(node, &[0xff; 100], "frame");
        is_refused(node, &frame(Kind::Cast, HELLO_WORD, b""), "no hello");
        is_refused(node, &hello(0x1234_5678, b""), "no hello");
        is_refused(node, &hello(HELLO_WORD + 6, b""), "protocol version 7");
        is_refused(node, &hello(HELLO_WORD, b"\xc1"), "can't be read");
        is_refused(node, &hello(HELLO_WORD, b""), "can't be read");
        is_refused(node, &hello(HELLO_WORD, &[0x90; 100_000]), "longer than 4096 bytes");
        let mut oversized = hello(HELLO_WORD, b"");
        oversized[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        is_refused(node, &oversized, "frame");
    });
}

#[test]
fn a_node_that_is_there_already_is_refused() {
    let node = Node::start().unwrap();
    let id = u64::from_str_radix(&node.job(), 16).unwrap();
    // In MessagePack: an array of one, a number of 64 bits.
    let body = [&[0x91, 0xcf][..], &id.to_be_bytes()].concat();
    is_refused(&node, &frame(Kind::Hello, HELLO_WORD, &body), "there is a node");
}

/// > Who says nothing, or half a hello, is turned away after 5 s.
#[test]
fn half_a_hello_and_then_silence_is_turned_away_in_time() {
    undisturbed(|node| {
        let begun = Instant::now();
        let mut half = knock(node);
        half.write_all(&frame(Kind::Hello, HELLO_WORD, b"\x91")[..20]).unwrap();
        let silent = knock(node);
        for stream in [half, silent] {
            assert!(answer(stream).contains("no hello within 5s"));
        }
        assert!(begun.elapsed() >= Duration::from_secs(4));
    });
}

#[test]
fn half_a_hello_and_then_the_end_leaves_nothing() {
    let node = Node::start().unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for cut in 0..40 {
        let bytes = frame(Kind::Hello, HELLO_WORD, &[0x91; 20]);
        knock(&node).write_all(&bytes[..cut]).unwrap();
    }
    eventually("the connections are closed", || open() <= before);
}

/// > Of those who have not said hello the eldest is turned away beyond 64, so a thousand of them keep nobody out.
#[test]
fn a_thousand_silent_connections_do_not_keep_a_guest_out() {
    undisturbed(|node| {
        // Each takes a descriptor on both sides, and a process may have 1,024.
        let mut silent = VecDeque::new();
        let mut turned_away = 0;
        for _ in 0..1000 {
            silent.push_back((Instant::now(), knock(node)));
            if silent.len() > 200 {
                let (since, eldest) = silent.pop_front().unwrap();
                let said = answer(eldest);
                // On a machine that stood still for so long, its time may have been up before others came.
                let in_time = since.elapsed() < Duration::from_secs(4);
                assert!(said.contains("you had not said hello") || !in_time, "{said:?}");
                turned_away += 1;
            }
        }
        assert_eq!(turned_away, 800);
        let guest = Node::join(&node.job()).unwrap();
        guest.create::<Queue<u64>>("/late", QueueOptions::new()).unwrap();
        node.open::<Queue<u64>>("/late").unwrap();
    });
}

/// What `tries` comes to as another user; none if this one is not root, who alone can be somebody else for a moment, or if there is no other.
fn as_nobody<R: Send>(tries: impl FnOnce() -> R + Send) -> Option<R> {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tried: this user is not root");
        return None;
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let uid = rustix::process::Uid::from_raw(NOBODY);
            // Of this thread alone, which ends with it.
            match rustix::thread::set_thread_res_uid(uid, uid, uid) {
                // There are name spaces in which that number is nobody's.
                Err(Errno::INVAL) => {
                    eprintln!("not tried: there is no user {NOBODY} here");
                    None
                }
                changed => {
                    changed.unwrap();
                    Some(tries())
                }
            }
        });
        other.join().unwrap()
    })
}

/// > Another user is refused (the test needs to be run as root).
#[test]
fn another_user_is_refused() {
    let node = Node::start().unwrap();
    let Some(said) = as_nobody(|| answer(knock(&node))) else { return };
    assert!(said.contains("the other side is user 65534"), "{said}");
}

/// > Whoever would join another user's job is told so, before that job hears anything; by its name there is none (the test needs to be run as root).
#[test]
fn a_job_of_another_user_is_told_to_whoever_would_join_it() {
    let _turn = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("of-root-{}", std::process::id());
    let node = Node::start_named(&name).unwrap();
    let id = node.job();
    let Some((by_id, by_name)) = as_nobody(|| (Node::join(&id), Node::join(&name))) else { return };
    let Err(JoinJobError::Forbidden { job, reason }) = by_id else { panic!("{by_id:?}") };
    // The job would say it the other way round.
    assert_eq!((job, &*reason), (id, "the other side is user 0, this is user 65534"));
    assert!(matches!(by_name, Err(JoinJobError::NoJob(no)) if no == name));
    assert_eq!(Node::join(&name).unwrap().job(), node.job(), "its own user comes in");
}
