//! What the children do. Each role runs before `main`, with the socket to the test.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use callboard_ipc::{
    Bootstrap, CodeOffset, Exit, SpawnError, exit_now, image_id, resolve, take_bootstrap, thread_count,
};

use crate::support::{self, Kid, ROLE};

pub(crate) fn play(bootstrap: Bootstrap) -> ! {
    let parent_pid = bootstrap.parent_pid;
    let mut socket = UnixStream::from(bootstrap.socket);
    let role = std::env::var(ROLE).unwrap();
    match role.as_str() {
        "echo" => echo(&mut socket),
        "image" => socket.write_all(image_id().as_bytes()).unwrap(),
        "call" => call(&mut socket),
        "state" => state(&mut socket, parent_pid),
        "runtime" => runtime(&mut socket),
        "exit" => exit_now(i32::from(read_byte(&mut socket).unwrap())),
        "abort" => std::process::abort(),
        "panic" => panic!("on purpose"),
        "overflow" => exit_now(overflow(1)),
        "settings" => settings(&mut socket),
        "many" => many(),
        "missing program" => missing_program(&mut socket),
        "grandchildren" => grandchildren(socket),
        other => panic!("there is no role {other:?}"),
    }
    exit_now(0)
}

fn read_byte(socket: &mut UnixStream) -> Option<u8> {
    let mut byte = [0];
    (socket.read(&mut byte).unwrap() == 1).then_some(byte[0])
}

/// Ends with code 3 when the parent's end is closed.
fn echo(socket: &mut UnixStream) {
    while let Some(byte) = read_byte(socket) {
        socket.write_all(&[byte]).unwrap();
    }
    exit_now(3);
}

fn call(socket: &mut UnixStream) {
    let mut offset = [0; 8];
    socket.read_exact(&mut offset).unwrap();
    let function = resolve(CodeOffset::from_raw(u64::from_ne_bytes(offset))).unwrap();
    // SAFETY: the test sends the offset of a function of this type in this very program.
    let function = unsafe { std::mem::transmute::<*const (), fn(u64) -> u64>(function) };
    socket.write_all(&function(20).to_ne_bytes()).unwrap();
}

fn state(socket: &mut UnixStream, parent_pid: u32) {
    let mut text = String::new();
    let pid = rustix::process::getpid();
    let flags = rustix::io::fcntl_getfd(&*socket).unwrap();
    let input = std::fs::read_link("/proc/self/fd/0").unwrap();
    writeln!(text, "parent {parent_pid}").unwrap();
    writeln!(text, "threads {}", thread_count().unwrap()).unwrap();
    writeln!(text, "leads its group {}", rustix::process::getpgrp() == pid).unwrap();
    writeln!(text, "socket closes on exec {}", flags.contains(rustix::io::FdFlags::CLOEXEC)).unwrap();
    writeln!(text, "input {}", input.display()).unwrap();
    writeln!(text, "announced {}", std::env::var_os("CALLBOARD_CHILD").is_some()).unwrap();
    writeln!(text, "taken twice {}", take_bootstrap().unwrap().is_some()).unwrap();
    // The listing has a descriptor of its own.
    writeln!(text, "descriptors {}", support::open_descriptors() - 1).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    drop(reader);
    writeln!(text, "broken pipe {:?}", writer.write(b"x").unwrap_err().kind()).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
}

/// What the module documentation of `door` promises.
fn runtime(socket: &mut UnixStream) {
    let mut text = String::new();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| panic!("caught")).is_err();
    let joined = std::thread::spawn(|| std::thread::current().id()).join().unwrap();
    let panicked = std::thread::spawn(|| panic!("joined")).join().is_err();
    thread_local!(static LOCAL: Vec<u8> = vec![1, 2, 3]);
    writeln!(text, "caught {caught}").unwrap();
    writeln!(text, "other thread {}", joined != std::thread::current().id()).unwrap();
    writeln!(text, "joined panic {panicked}").unwrap();
    writeln!(text, "name {:?}", std::thread::current().name()).unwrap();
    writeln!(text, "local {}", LOCAL.with(Vec::len)).unwrap();
    writeln!(text, "arguments {}", std::env::args().len() > 0).unwrap();
    writeln!(text, "backtrace {}", std::backtrace::Backtrace::force_capture().to_string().len() > 9).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
}

#[expect(unconditional_recursion, reason = "it is to run out of stack")]
fn overflow(depth: i32) -> i32 {
    let frame = std::hint::black_box([depth; 1024]);
    overflow(frame[7] + 1) + frame[0]
}

fn settings(socket: &mut UnixStream) {
    println!("to standard output");
    let mut text = String::new();
    writeln!(text, "arguments {:?}", std::env::args().collect::<Vec<_>>()).unwrap();
    writeln!(text, "directory {}", std::env::current_dir().unwrap().display()).unwrap();
    for key in ["GIVEN", "PATH"] {
        writeln!(text, "{key} {:?}", std::env::var(key).ok()).unwrap();
    }
    socket.write_all(text.as_bytes()).unwrap();
}

/// In a process of its own, since tests that run beside this one open descriptors too.
fn many() {
    let before = support::open_descriptors();
    for round in 0..200_u8 {
        let mut kid = Kid::start("echo");
        kid.write(&[round]);
        assert_eq!(kid.read_exact(), [round]);
        drop(kid.socket.take());
        assert_eq!(kid.wait(), Exit::Code(3));
    }
    assert_eq!(support::open_descriptors(), before);
}

fn missing_program(socket: &mut UnixStream) {
    let (_ours, theirs) = support::socket_pair();
    let error = callboard_ipc::start(callboard_ipc::ChildSpec::new("lost", theirs)).unwrap_err();
    let SpawnError::Exec { path, source, .. } = error else { panic!("{error}") };
    write!(socket, "{} {:?}", path.display(), source.kind()).unwrap();
}

/// Starts this program by plain commands with tokens that are not theirs; `--list` shows that `main` ran.
fn grandchildren(mut socket: UnixStream) {
    let environ = std::fs::read("/proc/self/environ").unwrap();
    let mut variables = environ.split(|byte| *byte == 0);
    let token = variables.find_map(|variable| variable.strip_prefix(b"CALLBOARD_CHILD=")).unwrap();
    let token = String::from_utf8(token.to_vec()).unwrap();
    let me = std::process::id();
    let copy = || Stdio::from(socket.as_fd().try_clone_to_owned().unwrap());
    let mut text = String::new();
    for (what, token, input) in [
        ("left over", token.clone(), Stdio::null()),
        ("right socket", token.clone(), copy()),
        ("right parent", format!("{me}:1"), Stdio::null()),
        ("garbage", "garbage".to_owned(), Stdio::null()),
    ] {
        let mut command = Command::new("/proc/self/exe");
        command.arg("--list").env("CALLBOARD_CHILD", token).stdin(input);
        let output = command.output().unwrap();
        let listed = String::from_utf8_lossy(&output.stdout).contains(": test");
        let code = output.status.code();
        let error = String::from_utf8_lossy(&output.stderr);
        writeln!(text, "{what}: main ran {listed}, code {code:?}, {}", error.trim_end()).unwrap();
    }
    socket.write_all(text.as_bytes()).unwrap();
}
