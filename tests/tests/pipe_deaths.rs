//! Who is killed at a pipe, and what the other end sees.

use std::time::Duration;

use callboard::{Event, EventOptions, Node, PipeReceiver, PipeSender, Process, RecvError, SendError};
use callboard_tests::{PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};

callboard::test_door!();

/// Short messages, now and then a long one that does not go through the ring.
fn message(n: u64) -> (u64, serde_bytes::ByteBuf) {
    let len = if n.is_multiple_of(1000) { 70_000 } else { (n % 50) as usize };
    (n, vec![n as u8; len].into())
}

type Numbered = (u64, serde_bytes::ByteBuf);

fn sends(_: &Node, sender: PipeSender<Numbered>) {
    let mut n = 0;
    while sender.send(message(n)).is_ok() {
        n += 1;
    }
}

fn receives(_: &Node, receiver: PipeReceiver<Numbered>) -> u64 {
    let mut next = 0;
    loop {
        match receiver.recv() {
            Ok(got) => assert!(got == message(next), "message {next} is another one, or spoilt"),
            Err(RecvError::Closed) => return next,
            Err(error) => panic!("{error}"),
        }
        next += 1;
    }
}

/// Kills after a moment, often stopped before.
fn kill<R>(process: &Process<R>, random: &mut Random) {
    pause(random.time(Duration::from_millis(2)));
    if random.below(2) == 0 {
        send_signal(process.pid(), 19);
        if random.below(2) == 0 {
            eventually("it is stopped", || stop_state(process.pid()) == Some('T'));
        }
    }
    send_signal(process.pid(), 9);
}

/// > A killed sender leaves whole messages in order, then the end; a killed receiver is told to its sender.
#[test]
fn a_killed_sender_leaves_whole_messages_and_a_killed_receiver_is_told() {
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(60) {
        let (sender, receiver) = node.one_way_pipe().unwrap();
        let sender = node.process("sends").stderr_null().spawn(sends, sender).unwrap();
        let receiver = node.process("receives").stderr_null().spawn(receives, receiver).unwrap();
        if round.is_multiple_of(2) {
            kill(&sender, &mut random);
            receiver.join().unwrap();
            assert!(sender.join().is_err());
        } else {
            kill(&receiver, &mut random);
            sender.join().unwrap();
            assert!(receiver.join().is_err());
        }
    }
}

/// > A process that once held an end, or was its parent, keeps nothing of it: its death or life changes nothing for the two.
#[test]
fn who_once_held_an_end_neither_ends_it_nor_keeps_it_open() {
    /// Passes the end on to a child of its own.
    fn passes_on(node: &Node, (receiver, passed): (PipeReceiver<Numbered>, Event)) -> u64 {
        let child = node.spawn("receives", receives, receiver).unwrap();
        passed.set().unwrap();
        child.join().unwrap()
    }
    /// Takes the end from a pipe and sends it back by another.
    fn holds(
        node: &Node,
        (line, back): (PipeReceiver<PipeReceiver<Numbered>>, PipeSender<PipeReceiver<Numbered>>),
    ) {
        back.send(line.recv().unwrap()).unwrap();
        while !node.wait_stopping(PATIENCE) {}
    }
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for round in 0..rounds(30) {
        let (sender, receiver) = node.one_way_pipe().unwrap();
        let ((line, their_line), (their_back, back)) =
            (node.one_way_pipe().unwrap(), node.one_way_pipe().unwrap());
        let once = node.process("holds").stderr_null().spawn(holds, (their_line, their_back)).unwrap();
        line.send(receiver).unwrap();
        let receiver = back.recv().unwrap();
        let passed: Event = node.anonymous(EventOptions::new());
        let parent = node.spawn("passes on", passes_on, (receiver, passed.clone())).unwrap();
        passed.wait().unwrap();
        // The one that held it before is stopped or killed, or stays: the pipe works on, and then ends.
        if round.is_multiple_of(3) {
            send_signal(once.pid(), 19);
        } else if round % 3 == 1 {
            kill(&once, &mut random);
        }
        let count = 1 + random.below(2000);
        (0..count).for_each(|n| sender.send(message(n)).unwrap());
        drop(sender);
        assert_eq!(parent.join().unwrap(), count);
        once.kill().unwrap();
        assert!(once.join().is_err());
    }
}

/// > Whoever is killed while an end is on its way, the other end sees the end, or works on: nobody waits for ever.
#[test]
fn whoever_is_killed_while_an_end_is_on_its_way_nobody_waits_for_ever() {
    /// Gets ends by one pipe and passes them on by another.
    fn passes(_: &Node, (from, to): (PipeReceiver<PipeReceiver<u64>>, PipeSender<PipeReceiver<u64>>)) {
        while let Ok(receiver) = from.recv() {
            if to.send(receiver).is_err() {
                return;
            }
        }
    }
    let node = Node::start().unwrap();
    let mut random = Random::new();
    for _ in 0..rounds(60) {
        let ((first, their_first), (their_last, last)) =
            (node.one_way_pipe().unwrap(), node.one_way_pipe().unwrap());
        let middle = node.process("passes").stderr_null().spawn(passes, (their_first, their_last)).unwrap();
        let killer = std::thread::spawn({
            let (pid, wait, stops) =
                (middle.pid(), random.time(Duration::from_millis(3)), random.below(2) == 0);
            move || {
                pause(wait);
                if stops {
                    send_signal(pid, 19);
                }
                send_signal(pid, 9);
            }
        });
        let mut senders = Vec::new();
        loop {
            let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
            sender.send(senders.len() as u64).unwrap();
            senders.push(sender);
            if first.send_timeout(receiver, PATIENCE).is_err() {
                break;
            }
        }
        killer.join().unwrap();
        // Those that came through hold what was sent into them, in order.
        let mut came = 0;
        let mut held = Vec::new();
        loop {
            match last.recv_timeout(PATIENCE) {
                Ok(receiver) => {
                    assert_eq!(receiver.recv().unwrap(), came);
                    came += 1;
                    held.push(receiver);
                }
                Err(RecvError::Closed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        drop((first, last));
        assert!(middle.join().is_err());
        for (n, sender) in senders.iter().enumerate() {
            if (n as u64) < came {
                sender.send(7).unwrap();
                assert_eq!(held[n].recv().unwrap(), 7);
            } else {
                eventually("its sender is told", || matches!(sender.send(7), Err(SendError::Closed(7))));
            }
        }
    }
}
