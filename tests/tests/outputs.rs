//! What children write, for their parent to read or to pass on.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use callboard::{Event, EventOptions, Interest, JoinError, Node, Queue, QueueOptions, WaitAny};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, kill_self, rounds, send_signal};

callboard::test_door!();

/// Writes as it is and at once.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// > What a child writes is read by its parent as lines or as bytes, up to its end.
#[test]
fn what_a_child_writes_is_read_as_lines_or_bytes() {
    fn writes(_: &Node, (): ()) {
        write("one\n\ntwo \u{e9}\nand the rest");
        eprintln!("an error");
    }
    let node = Node::start().unwrap();
    let child = node.process("writes").stdout_captured().stderr_captured().spawn(writes, ()).unwrap();
    let (mut out, mut err) = (child.stdout().unwrap(), child.stderr().unwrap());
    assert!(child.stdout().is_none(), "once");
    let lines: Vec<String> = out.lines().collect::<Result<_, _>>().unwrap();
    assert_eq!(lines, ["one", "", "two \u{e9}", "and the rest"]);
    let mut text = String::new();
    err.read_to_string(&mut text).unwrap();
    assert_eq!(text, "an error\n");
    assert_eq!(out.read_line().unwrap(), None, "the end stays the end");
    child.join().unwrap();
    let both = node.process("both").stdout_captured().stderr_to_stdout().spawn(writes, ()).unwrap();
    let mut text = String::new();
    both.stdout().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\n\ntwo \u{e9}\nand the restan error\n");
}

/// > A read of an output keeps its timeout and loses nothing; an output is waited for among other things.
#[test]
fn a_read_keeps_its_timeout_and_loses_nothing() {
    fn writes(node: &Node, (): ()) {
        let go: Event = node.open("/go").unwrap();
        write("half ");
        go.wait().unwrap();
        write("and half\n");
        node.wait_stopping(PATIENCE);
    }
    let node = Node::start().unwrap();
    let go: Event = node.create("/go", EventOptions::new()).unwrap();
    let child = node.process("writes").stdout_captured().spawn(writes, ()).unwrap();
    let mut out = child.stdout().unwrap();
    let mut any = WaitAny::new(&node);
    let readable = any.add_fd(&out, Interest::Readable).unwrap();
    assert_eq!(any.wait_timeout(PATIENCE), Some(readable));
    let timed_out = out.read_line_timeout(Duration::from_millis(20)).unwrap_err();
    assert_eq!(timed_out.kind(), ErrorKind::TimedOut);
    assert_eq!(out.try_read_line().unwrap_err().kind(), ErrorKind::TimedOut);
    go.set().unwrap();
    assert_eq!(out.read_line_timeout(PATIENCE).unwrap().as_deref(), Some("half and half"));
    child.terminate(PATIENCE);
    assert_eq!(out.read_line().unwrap(), None);
}

/// > A child whose output nobody reads waits in its write; nothing is gathered for it.
#[test]
fn a_child_whose_output_nobody_reads_waits() {
    const MANY: usize = 4 << 20;
    fn writes(node: &Node, (): ()) {
        let done: Event = node.open("/done").unwrap();
        write(&"x".repeat(MANY));
        done.set().unwrap();
    }
    let node = Node::start().unwrap();
    let done: Event = node.create("/done", EventOptions::new()).unwrap();
    let child = node.process("writes").stdout_captured().spawn(writes, ()).unwrap();
    assert!(
        !done.wait_timeout(Duration::from_millis(200)).unwrap(),
        "four megabytes are more than a pipe holds"
    );
    let mut out = child.stdout().unwrap();
    // A line that is too long comes in pieces.
    let lengths: Vec<usize> = out.lines().map(|line| line.unwrap().len()).collect();
    assert_eq!(lengths, [1 << 20; 4]);
    assert!(done.wait_timeout(PATIENCE).unwrap());
    child.join().unwrap();
}

/// > An output ends with its process, also if others have it open and write to it.
#[test]
#[expect(clippy::zombie_processes, reason = "the test ends it")]
fn an_output_ends_with_its_process_also_if_others_have_it_open() {
    fn leaves(_: &Node, (): ()) {
        let yes = Command::new("yes").stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eprintln!("{}", yes.id());
        write("mine\n");
        // It writes for ever, also while we are there.
    }
    let node = Node::start().unwrap();
    let child = node.process("leaves").stdout_captured().stderr_captured().spawn(leaves, ()).unwrap();
    let (mut out, mut err) = (child.stdout().unwrap(), child.stderr().unwrap());
    let pid: u32 = err.read_line().unwrap().unwrap().parse().unwrap();
    let lines: Vec<String> = out.lines().collect::<Result<_, _>>().unwrap();
    assert!(lines.iter().any(|line| line == "mine"), "{} lines", lines.len());
    child.join().unwrap();
    assert!(is_running(pid), "it has the output open still");
    drop(out);
    eventually("its writes fail now", || !is_running(pid));
}

/// > A killed child's output ends with what it had written.
#[test]
fn a_killed_childs_output_ends_with_what_it_had_written() {
    fn writes(_: &Node, (): ()) {
        for n in 0.. {
            write(&format!("{n}\n"));
        }
    }
    let node = Node::start().unwrap();
    for round in 0..rounds(20) {
        let child = node.process("writes").stdout_captured().spawn(writes, ()).unwrap();
        let mut out = child.stdout().unwrap();
        for _ in 0..round * 100 {
            out.read_line().unwrap().unwrap();
        }
        child.kill().unwrap();
        let rest: Vec<String> = out.lines().collect::<Result<_, _>>().unwrap();
        let whole = rest[..rest.len().saturating_sub(1)].iter().enumerate();
        whole.for_each(|(at, line)| assert_eq!(*line, (round * 100 + at as u64).to_string()));
        assert!(matches!(child.join(), Err(JoinError::Signalled { signal: 9, .. })));
    }
}

const CHILDREN: usize = 8;
const LINES: usize = 300;

/// Writes lines piece by piece.
fn writes_in_pieces(node: &Node, name: String) {
    for n in 0..LINES {
        for piece in [name.as_str(), " writes ", &"x".repeat(n * 10), " ", &n.to_string(), "\n"] {
            write(piece);
        }
    }
    if name == "killed" {
        write("half a line");
        // Its names would be free, were there any.
        assert!(!node.is_root());
        kill_self();
    }
}

/// Has children's lines passed on while it writes itself.
fn passes_on(node: &Node, (): ()) {
    let mut children = Vec::new();
    for n in 0..CHILDREN {
        let name = if n == 0 { "killed".to_owned() } else { format!("child {n}") };
        let child = node.process(&name).stdout_forwarded().stderr_null();
        children.push(child.spawn(writes_in_pieces, name).unwrap());
    }
    for n in 0..LINES {
        println!("own {} {n}", "y".repeat(n * 10));
    }
    for child in children {
        let joined = child.join();
        assert_eq!(joined.is_err(), child.name() == "killed", "{joined:?}");
        println!("joined {} {}", child.name(), child.pid());
    }
}

/// > Lines that are passed on carry name and process id, are whole and in order, and are there before the join; half a line of a killed child is a
/// > line.
#[test]
fn lines_are_passed_on_whole_and_in_order_and_before_the_join() {
    let node = Node::start().unwrap();
    let parent = node.process("parent").stdout_captured().stderr_null().spawn(passes_on, ()).unwrap();
    let mut out = parent.stdout().unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut has_half = false;
    for line in out.lines().map(Result::unwrap) {
        if let Some(rest) = line.strip_prefix("joined ") {
            let (name, _) = rest.rsplit_once(' ').unwrap();
            assert_eq!(counts[&format!("[{rest}]")], LINES, "{name}");
            continue;
        }
        let (who, text) = if line.starts_with('[') {
            let (who, text) = line.split_once("] ").unwrap();
            (format!("{who}]"), text)
        } else {
            ("own".to_owned(), line.as_str())
        };
        if text == "half a line" {
            assert!(who.starts_with("[killed ") && counts[&who] == LINES);
            has_half = true;
            continue;
        }
        let count = counts.entry(who.clone()).or_default();
        let (head, number) = text.rsplit_once(' ').unwrap();
        assert_eq!(number, count.to_string(), "{who}");
        let filled = head.trim_end_matches(['x', 'y']);
        assert_eq!(head.len() - filled.len(), *count * 10, "{who}: {text}");
        *count += 1;
    }
    assert!(
        has_half && counts.len() == CHILDREN + 1 && counts.values().all(|count| *count == LINES),
        "{counts:?}"
    );
    parent.join().unwrap();
}

/// Writes lines to both streams at once, each piece by piece.
fn writes_to_both(_: &Node, (): ()) {
    fn lines(mut stream: impl Write, which: &str) {
        for n in 0..LINES {
            for piece in [which, " ", &n.to_string(), " ", &"x".repeat(n * 10), "\n"] {
                stream.write_all(piece.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| lines(std::io::stdout(), "out"));
        lines(std::io::stderr(), "err");
    });
}

/// > Lines of both streams of several children that are passed on into one pipe are never mixed.
#[test]
fn lines_of_both_streams_in_one_pipe_are_never_mixed() {
    fn passes_on(node: &Node, (): ()) {
        let start = |n| node.process(&format!("child {n}")).stdout_forwarded().stderr_forwarded();
        let children = [1, 2, 3, 4].map(|n| start(n).spawn(writes_to_both, ()).unwrap());
        children.iter().for_each(|child| child.join().unwrap());
    }
    let node = Node::start().unwrap();
    let parent = node.process("parent").stdout_captured().stderr_to_stdout().spawn(passes_on, ()).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in parent.stdout().unwrap().lines().map(Result::unwrap) {
        let (child, text) = line.split_once("] ").unwrap();
        let (which, rest) = text.split_once(' ').unwrap();
        let count = counts.entry(format!("{child} {which}")).or_default();
        assert_eq!(rest, format!("{count} {}", "x".repeat(*count * 10)), "{child} {which}");
        *count += 1;
    }
    assert!(counts.len() == 8 && counts.values().all(|count| *count == LINES), "{counts:?}");
    parent.join().unwrap();
}

/// > Nobody hangs when what is passed on is not read: a join waits a second longer.
#[test]
fn a_join_does_not_hang_when_what_is_passed_on_is_not_read() {
    fn writes(_: &Node, (): ()) {
        // More than one pipe holds, less than two.
        write(&"a line of text\n".repeat(6_000));
    }
    fn passes_on(node: &Node, (): ()) {
        let joined: Queue<bool> = node.open("/joined").unwrap();
        let child = node.process("writes").stdout_forwarded().spawn(writes, ()).unwrap();
        joined.put_confirmed(child.join().is_ok()).unwrap();
        // Its own end would wait for the reader no longer than a second.
        let read: Event = node.open("/read").unwrap();
        assert!(read.wait_timeout(PATIENCE).unwrap());
    }
    let node = Node::start().unwrap();
    let joined: Queue<bool> = node.create("/joined", QueueOptions::new()).unwrap();
    let read: Event = node.create("/read", EventOptions::new()).unwrap();
    let parent = node.process("parent").stdout_captured().spawn(passes_on, ()).unwrap();
    assert!(joined.get_timeout(PATIENCE).unwrap());
    let mut out = parent.stdout().unwrap();
    let mut lines = out.lines().map(Result::unwrap).filter(|line| line.ends_with("] a line of text"));
    assert_eq!(lines.by_ref().take(6_000).count(), 6_000);
    read.set().unwrap();
    assert_eq!(lines.count(), 0);
    parent.join().unwrap();
}

/// > Nor when the node has ended before that was passed on.
#[test]
fn a_join_does_not_hang_when_the_node_has_ended_before() {
    fn writes(node: &Node, (): ()) {
        write("a line\n");
        let written: Event = node.open("/written").unwrap();
        written.set().unwrap();
        node.wait_stopping(PATIENCE);
    }
    let node = Node::start().unwrap();
    let written: Event = node.create("/written", EventOptions::new()).unwrap();
    // Nothing can be passed on meanwhile.
    let held = std::io::stdout().lock();
    let child = node.process("writes").stdout_forwarded().spawn(writes, ()).unwrap();
    assert!(written.wait_timeout(PATIENCE).unwrap());
    drop(node);
    let (tells, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tells.send(child.join()));
    let joined = told.recv_timeout(PATIENCE).expect("the join hangs");
    assert!(matches!(joined, Err(JoinError::Signalled { signal: 9, .. })), "{joined:?}");
    drop(held);
}

/// > Of outputs that nobody read to their end nothing is left.
#[test]
fn nothing_is_left_of_outputs() {
    fn writes(_: &Node, (): ()) {
        loop {
            write("a line\n");
        }
    }
    let leaks = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let captured = node.process("captured").stdout_captured().spawn(writes, ()).unwrap();
        let stopped = node.process("stopped").stderr_forwarded().stdout_captured().spawn(writes, ()).unwrap();
        captured.stdout().unwrap().read_line().unwrap();
        send_signal(stopped.pid(), 19);
        drop((captured, stopped));
    }
    leaks.check();
}
