//! Other programs as children: how they are started, what they have, how they end.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use callboard::{Command, CommandError, JoinError, Limit, Node, StartCommand, WaitAny};
use callboard_tests::{LeakCheck, PATIENCE, eventually, is_running, send_signal, stop_state};
use rustix::io::{FdFlags, fcntl_setfd};

callboard::test_door!();

/// A script for the shell.
fn sh<'a>(node: &'a Node, script: &str) -> StartCommand<'a> {
    node.command("sh").arg("-c").arg(script)
}

fn lines_of(command: &Command) -> Vec<String> {
    command.stdout().unwrap().lines().collect::<Result<_, _>>().unwrap()
}

/// Runs it to its end; its standard output, and how it ended.
fn run(command: StartCommand<'_>) -> (Vec<String>, Result<(), JoinError>) {
    let command = command.stdout_captured().spawn().unwrap();
    let lines = lines_of(&command);
    (lines, command.wait())
}

/// > A program's end is told as a code or a signal, again and again, to whoever waits.
#[test]
fn a_programs_end_is_told() {
    let node = Node::start().unwrap();
    assert_eq!(node.command("true").spawn().unwrap().wait(), Ok(()));
    let exits = sh(&node, "exit 3").spawn().unwrap();
    assert_eq!(exits.wait(), Err(JoinError::Exited(3)));
    assert_eq!(exits.wait(), Err(JoinError::Exited(3)), "it can be asked for again");
    assert!(!exits.is_alive());
    let crashes = sh(&node, "kill -SEGV $$").limit(Limit::CoreBytes, 0).spawn().unwrap();
    assert!(matches!(crashes.wait(), Err(JoinError::Signalled { name: "SIGSEGV", .. })));
    let sleeps = node.command("sleep").arg("1000").spawn().unwrap();
    assert_eq!(sleeps.wait_timeout(Duration::from_millis(20)), Err(JoinError::TimedOut));
    assert_eq!(sleeps.wait_timeout(Duration::ZERO), Err(JoinError::TimedOut));
    assert!(sleeps.is_alive() && is_running(sleeps.pid()));
    send_signal(sleeps.pid(), 9);
    assert!(matches!(sleeps.wait(), Err(JoinError::Signalled { signal: 9, .. })));
}

/// > A program has the arguments, environment, directory, streams and limits that it was given, and this process's where none were.
#[test]
fn a_program_has_what_it_was_given() {
    let node = Node::start().unwrap();
    let dir = std::env::temp_dir().canonicalize().unwrap();
    let script = "pwd; echo \"$0 $1|$SEEN|$GONE|$HOME\"; cat; echo problem >&2; ulimit -n; ulimit -c; nice";
    let command = sh(&node, script).args(["zero", "a b"]).cwd(&dir).env("SEEN", "x=y").env_remove("GONE");
    let command = command.limit(Limit::OpenFiles, 77).limit(Limit::CoreBytes, 0).nice(19);
    let command = command.stdin_piped().stdout_captured().stderr_to_stdout().spawn().unwrap();
    let mut input = command.stdin().unwrap();
    assert!(command.stdin().is_none(), "once");
    input.write_all(b"what it reads\n").unwrap();
    drop(input);
    let home = std::env::var("HOME").unwrap_or_default();
    let expected = [
        dir.to_str().unwrap(),
        &format!("zero a b|x=y||{home}"),
        "what it reads",
        "problem",
        "77",
        "0",
        "19",
    ];
    assert_eq!(lines_of(&command), expected);
    assert_eq!((command.wait(), command.name()), (Ok(()), "sh"));
    let (lines, _) = run(node.command("/usr/bin/env").env_clear().env("ONLY", "this"));
    assert_eq!(lines, ["ONLY=this"]);
    assert_eq!(run(node.command("cat")).0, [""; 0], "its input is empty");
    let (reads, mut writes) = std::io::pipe().unwrap();
    let given = node.command("cat").stdin(reads).stdout_captured().spawn().unwrap();
    writes.write_all(b"from a pipe").unwrap();
    drop(writes);
    assert_eq!(lines_of(&given), ["from a pipe"]);
    let many: Vec<String> = (0..20_000).map(|n| format!("argument {n}")).collect();
    assert_eq!(run(sh(&node, "echo $#").arg("sh").args(&many)).0, ["20000"]);
}

/// > A program that can't be started is an error that names it, and where it was looked for; nothing is left.
#[test]
fn a_program_that_can_not_be_started_is_an_error_that_names_it() {
    let node = Node::start().unwrap();
    let leaks = LeakCheck::new();
    let fails = |command: StartCommand<'_>| command.spawn().unwrap_err();
    let path = std::env::var("PATH").unwrap();
    let missing = fails(node.command("no-such-program"));
    assert!(
        matches!(&missing, CommandError::NotFound { program, searched }
        if program == "no-such-program" && searched.contains(&path)),
        "{missing}"
    );
    let elsewhere = fails(node.command("true").env("PATH", "/nowhere"));
    assert!(
        elsewhere.to_string().contains(r#"there is no program "true" in PATH, which is "/nowhere""#),
        "{elsewhere}"
    );
    let folder = tempfile::tempdir().unwrap();
    let relative = fails(node.command("./missing").cwd(folder.path()));
    assert!(relative.to_string().contains(folder.path().to_str().unwrap()), "{relative}");
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "#!/no/such/interpreter\n").unwrap();
    let refused = fails(node.command(&plain));
    assert!(matches!(&refused, CommandError::Exec { reason, .. } if reason.contains("denied")), "{refused}");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o755)).unwrap();
    let interpreter = fails(node.command(&plain));
    assert!(interpreter.to_string().contains("the interpreter"), "{interpreter}");
    let nowhere = fails(node.command("true").cwd("/no/such/folder"));
    assert!(matches!(&nowhere, CommandError::Directory(why) if why.contains("/no/such/folder")), "{nowhere}");
    let long = fails(node.command("true").arg("x".repeat(1 << 20)));
    assert!(matches!(&long, CommandError::Exec { reason, .. } if reason.contains("too long")), "{long}");
    let zero = fails(node.command("tr\0ue"));
    assert!(matches!(zero, CommandError::Exec { .. }), "{zero}");
    for (asked, named) in [
        (node.command("true").nice(40), "niceness 40 can't be had"),
        (
            node.command("true").limit(Limit::OpenFiles, 1 << 40),
            "a limit of 1099511627776 open files can't be had",
        ),
        (node.command("true").processors([1 << 20]), "there is no processor 1048576"),
    ] {
        let refused = fails(asked);
        assert!(matches!(&refused, CommandError::Refused { what, .. } if what.contains(named)), "{refused}");
    }
    assert_eq!(node.active_children(), []);
    leaks.check();
}

/// > A program has three descriptors and no other, whatever is open here.
#[test]
fn a_program_has_three_descriptors_and_no_other() {
    let node = Node::start().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    // As a library might, that does not know better.
    fcntl_setfd(file.as_fd(), FdFlags::empty()).unwrap();
    // Not last, for which some shells end themselves.
    let (lines, _) = run(sh(&node, "ls /proc/$$/fd; true"));
    assert_eq!(lines, ["0", "1", "2"]);
    let piped = sh(&node, "ls /proc/$$/fd; read line").stdin_piped().stdout_captured().stderr_captured();
    let command = piped.spawn().unwrap();
    drop(command.stdin());
    assert_eq!(lines_of(&command), ["0", "1", "2"]);
}

/// > `terminate` asks a program by SIGTERM, and kills it after the grace; `kill` ends it at once, also stopped; what it started in its group ends
/// > with it.
#[test]
fn a_program_is_asked_to_end_or_killed_and_its_group_with_it() {
    let node = Node::start().unwrap();
    let begin = |script: &str| {
        let command = sh(&node, script).stdout_captured().spawn().unwrap();
        let mut out = command.stdout().unwrap();
        let below: u32 = out.read_line().unwrap().unwrap().parse().unwrap();
        (command, out, below)
    };
    let (hears, _out, below) = begin("trap 'exit 7' TERM; sleep 1000 & echo $!; wait");
    hears.terminate(PATIENCE).unwrap();
    assert_eq!(hears.wait(), Err(JoinError::Exited(7)));
    eventually("what it started has ended", || !is_running(below));

    let (deaf, _out, below) = begin("trap '' TERM; sleep 1000 & echo $!; wait");
    deaf.terminate(Duration::from_millis(30)).unwrap();
    assert!(matches!(deaf.wait(), Err(JoinError::Signalled { signal: 9, .. })));
    eventually("what it started has ended", || !is_running(below));

    let (stopped, _out, below) = begin("sleep 1000 & echo $!; wait");
    for pid in [stopped.pid(), below] {
        send_signal(pid, 19);
        eventually("it is stopped", || stop_state(pid) == Some('T'));
    }
    stopped.kill().unwrap();
    assert!(matches!(stopped.wait(), Err(JoinError::Signalled { signal: 9, .. })));
    eventually("what it started has ended", || !is_running(below));
    stopped.kill().unwrap();
    stopped.terminate(Duration::ZERO).unwrap();
    stopped.signal(15).unwrap();

    let (leaves, _out, below) = begin("sleep 1000 & echo $!");
    assert_eq!(leaves.wait(), Ok(()));
    eventually("what it left behind has ended", || !is_running(below));
}

/// > A program's end is waited for among other things.
#[test]
fn a_programs_end_is_waited_for_among_other_things() {
    let node = Node::start().unwrap();
    let sleeps = node.command("sleep").arg("1000").spawn().unwrap();
    let cat = node.command("cat").stdin_piped().spawn().unwrap();
    let mut any = WaitAny::new(&node);
    let (_sleeps, ends) = (any.add(&sleeps), any.add(&cat));
    assert_eq!(any.wait_timeout(Duration::from_millis(20)), None);
    drop(cat.stdin());
    assert_eq!(any.wait_timeout(PATIENCE), Some(ends));
    assert_eq!(cat.wait_timeout(Duration::ZERO), Ok(()));
}

/// > A program that closes its output goes on; what it writes there ends.
#[test]
fn a_program_that_closes_its_output_goes_on() {
    let node = Node::start().unwrap();
    let command =
        sh(&node, "echo one; exec >&-; read line; exit 4").stdin_piped().stdout_captured().spawn().unwrap();
    assert_eq!(lines_of(&command), ["one"]);
    assert_eq!(command.wait_timeout(Duration::from_millis(20)), Err(JoinError::TimedOut));
    drop(command.stdin());
    assert_eq!(command.wait(), Err(JoinError::Exited(4)));
}

/// > A program's output ends with it, also if somebody whom it started has left its group and has it open.
#[test]
fn a_programs_output_ends_with_it() {
    let node = Node::start().unwrap();
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & read line; echo mine";
    let command = sh(&node, script).stdin_piped().stdout_captured().spawn().unwrap();
    let mut out = command.stdout().unwrap();
    let daemon: u32 = out.read_line().unwrap().unwrap().parse().unwrap();
    drop(command.stdin());
    assert_eq!(out.lines().collect::<Result<Vec<_>, _>>().unwrap(), ["mine"]);
    assert_eq!(command.wait(), Ok(()));
    assert!(is_running(daemon), "what has left the group is nobody's");
    send_signal(daemon, 9);
}

/// > A write to a program waits for room, keeps its timeout, and is an error once the program has ended.
#[test]
fn a_write_to_a_program_waits_and_fails_at_its_end() {
    let node = Node::start().unwrap();
    let sleeps = node.command("sleep").arg("1000").stdin_piped().spawn().unwrap();
    let mut input = sleeps.stdin().unwrap();
    let full = loop {
        if let Err(error) = input.write_timeout(&[0; 10_000], Duration::from_millis(20)) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::TimedOut);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| input.write_all(&[0; 1 << 20]).unwrap_err().kind());
        sleeps.kill().unwrap();
        assert_eq!(waits.join().unwrap(), ErrorKind::BrokenPipe);
    });
    assert!(sleeps.wait().is_err());
    let cat = node.command("cat").stdin_piped().stdout_captured().spawn().unwrap();
    let (mut input, mut out) = (cat.stdin().unwrap(), cat.stdout().unwrap());
    let writes = std::thread::spawn(move || input.write_all(&vec![b'x'; 5 << 20]));
    let mut bytes = Vec::new();
    out.read_to_end(&mut bytes).unwrap();
    writes.join().unwrap().unwrap();
    assert!(bytes.len() == 5 << 20 && cat.wait().is_ok());
}

/// > A program's lines are passed on with its name and process id, before its end is told.
#[test]
fn a_programs_lines_are_passed_on() {
    fn runs(node: &Node, (): ()) -> Vec<u32> {
        let mut pids = Vec::new();
        for n in 0..5 {
            let command = sh(node, "echo one; echo problem >&2; printf rest").name(format!("n{n}"));
            let command = command.stdout_forwarded().stderr_to_stdout().spawn().unwrap();
            command.wait().unwrap();
            println!("n{n} has ended");
            pids.push(command.pid());
        }
        pids
    }
    let node = Node::start().unwrap();
    let parent = node.process("parent").stdout_captured().spawn(runs, ()).unwrap();
    let lines: Vec<String> = parent.stdout().unwrap().lines().collect::<Result<_, _>>().unwrap();
    let texts = |(n, pid): (usize, u32)| {
        let line = move |text: &str| format!("[n{n} {pid}] {text}");
        [line("one"), line("problem"), line("rest"), format!("n{n} has ended")]
    };
    let expected: Vec<String> = parent.join().unwrap().into_iter().enumerate().flat_map(texts).collect();
    assert_eq!(lines, expected);
}

/// > Of many programs nothing is left.
#[test]
fn many_programs_leave_nothing() {
    let node = Node::start().unwrap();
    let round = || {
        let echoes = node.command("echo").arg("x").stdout_captured().spawn().unwrap();
        assert_eq!(lines_of(&echoes), ["x"]);
        echoes.wait().unwrap();
        let sleeps = node.command("sleep").arg("1000").stdin_piped().stderr_captured().spawn().unwrap();
        sleeps.kill().unwrap();
        assert!(sleeps.wait().is_err());
    };
    round();
    let leaks = LeakCheck::new();
    let begun = Instant::now();
    (0..30).for_each(|_| round());
    eprintln!("{:?} for each of 60 programs", begun.elapsed() / 60);
    leaks.check();
}
