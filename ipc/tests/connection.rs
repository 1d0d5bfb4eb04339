//! Descriptors on their way: more than the kernel takes at once, in order, unclaimed, and to nobody.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use callboard_ipc::{DESCRIPTORS_PER_WRITE, Received, Sent, fd_pass, socket_pair};
use parking_lot::{Mutex, MutexGuard};

/// Descriptors are counted by the process, so these tests run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> (MutexGuard<'static, ()>, usize) {
    let guard = ALONE.lock();
    (guard, open_descriptors())
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A file that holds a number.
fn numbered(n: usize) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(n.to_string().as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}

fn number_of(fd: OwnedFd) -> usize {
    let mut text = String::new();
    fs::File::from(fd).read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}

fn send(socket: &OwnedFd, bytes: &[u8], fds: &[OwnedFd]) -> Sent {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    fd_pass::send(socket.as_fd(), bytes, &fds).unwrap()
}

/// Reads until nothing is left; all bytes, and all descriptors in the order they came.
fn receive_all(socket: &OwnedFd) -> (Vec<u8>, VecDeque<OwnedFd>) {
    let (mut bytes, mut fds) = (Vec::new(), VecDeque::new());
    let mut buffer = [0; 1000];
    loop {
        match fd_pass::receive(socket.as_fd(), &mut buffer, &mut fds).unwrap() {
            Received::Bytes(n) => bytes.extend_from_slice(&buffer[..n]),
            Received::Nothing | Received::End => return (bytes, fds),
        }
    }
}

#[test]
fn descriptors_of_several_writes_keep_their_order() {
    let (_alone, before) = alone();
    let (ours, theirs) = socket_pair().unwrap();
    for start in [0, 200, 400] {
        let fds: Vec<_> = (start..start + 200).map(numbered).collect();
        assert_eq!(send(&ours, b"ab", &fds), Sent::Bytes(2));
    }
    let (bytes, fds) = receive_all(&theirs);
    assert_eq!(bytes, b"ababab");
    let numbers: Vec<_> = fds.into_iter().map(number_of).collect();
    assert_eq!(numbers, (0..600).collect::<Vec<_>>());
    drop((ours, theirs));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn as_many_as_one_write_carries_arrive_close_on_exec() {
    let (_alone, before) = alone();
    let (ours, theirs) = socket_pair().unwrap();
    let fds: Vec<_> = (0..DESCRIPTORS_PER_WRITE).map(numbered).collect();
    assert_eq!(send(&ours, b"x", &fds), Sent::Bytes(1));
    drop(fds);
    let (_, fds) = receive_all(&theirs);
    assert_eq!(fds.len(), DESCRIPTORS_PER_WRITE);
    for fd in &fds {
        assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }
    drop((fds, ours, theirs));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn what_nobody_reads_is_closed_with_the_connection() {
    let (_alone, before) = alone();
    let mut ends = Vec::new();
    let (ours, theirs) = socket_pair().unwrap();
    for _ in 0..50 {
        let (read, write) = rustix::pipe::pipe().unwrap();
        assert_eq!(send(&ours, b"x", &[write]), Sent::Bytes(1));
        ends.push(read);
    }
    drop(theirs);
    for end in &ends {
        // The writing end is gone everywhere, so a read finds the end.
        assert_eq!(rustix::io::read(end, &mut [0; 1]), Ok(0));
    }
    drop((ends, ours));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn what_a_full_socket_or_a_dead_peer_does_not_take_stays_the_senders() {
    let (_alone, before) = alone();
    let (ours, theirs) = socket_pair().unwrap();
    let fds = [numbered(7)];
    while send(&ours, &[0; 10_000], &[]) != Sent::Full {}
    assert_eq!(send(&ours, b"x", &fds), Sent::Full);
    receive_all(&theirs);
    drop(theirs);
    let borrowed = [fds[0].as_fd()];
    let error = fd_pass::send(ours.as_fd(), b"x", &borrowed).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    let [fd] = fds;
    assert_eq!(number_of(fd), 7);
    drop(ours);
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_receiver_without_room_says_so_and_keeps_nothing() {
    let (_alone, before) = alone();
    let (ours, theirs) = socket_pair().unwrap();
    let fds: Vec<_> = (0..100).map(numbered).collect();
    assert_eq!(send(&ours, b"x", &fds), Sent::Bytes(1));
    drop(fds);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let few = rustix::process::Rlimit { current: Some(before as u64 + 20), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
    let mut came = VecDeque::new();
    let received = fd_pass::receive(theirs.as_fd(), &mut [0; 10], &mut came);
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let error = received.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("no room"), "{error}");
    drop((came, ours, theirs));
    assert_eq!(open_descriptors(), before);
}
