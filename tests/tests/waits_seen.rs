//! What a process can say of its own waits: what is waited for, on whom it depends, and what that one is doing.

#[path = "waits_seen/kinds.rs"]
mod kinds;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use callboard::testing::{resume, stop};
use callboard::{
    Actor, Context, Failure, Lock, LockOptions, Node, ProcessState, Queue, QueueOptions, ReplyTo, WaitInfo,
    WaitRole,
};
use callboard_tests::{PATIENCE, eventually, stop_state};
use serde::{Deserialize, Serialize};

callboard::test_door!();

/// Starts a thread that waits, for as long as the test's process lives.
fn begin<R: 'static>(waits: impl FnOnce() -> R + Send + 'static) {
    std::thread::spawn(move || drop(waits()));
}

/// Waits until this node is seen to wait for that, and that is as it should be.
#[track_caller]
fn seen(node: &Node, what: &str, is_right: impl Fn(&WaitInfo) -> bool) -> WaitInfo {
    let (mut found, mut waits) = (None, Vec::new());
    let deadline = Instant::now() + PATIENCE;
    while found.is_none() {
        assert!(Instant::now() < deadline, "nobody waits for {what} as expected: {waits:#?}");
        waits = node.waits();
        found = waits.iter().find(|wait| wait.what == what && is_right(wait)).cloned();
    }
    found.unwrap()
}

fn owner_is(wait: &WaitInfo, pid: u32, state: ProcessState) -> bool {
    wait.owner().is_some_and(|owner| owner.pid == Some(pid) && owner.state == state)
}

/// Has a queue, and nothing in it.
fn owns(node: &Node, name: String) {
    let _lines: Queue<String> = node.create(&name, QueueOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > `Node::waits` names what each of its threads waits for, and of the owner the process, and whether that runs, is busy, is stopped or is gone.
#[test]
fn a_wait_on_a_stopped_owner_names_it_and_says_so() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", owns, "/lines".to_owned()).unwrap();
    let lines: Queue<String> = node.open_timeout("/lines", PATIENCE).unwrap();
    begin(move || lines.get());
    let pid = owner.pid();
    let what = "an item from queue /lines";
    seen(&node, what, |wait| owner_is(wait, pid, ProcessState::Runs));
    stop(pid);
    eventually("it is stopped", || stop_state(pid) == Some('T'));
    let wait = seen(&node, what, |wait| owner_is(wait, pid, ProcessState::Stopped));
    let text = wait.to_string();
    assert!(text.ends_with(&format!(" s for {what}: owner (pid {pid}) owns it and is stopped")), "{text}");
    assert!(!wait.is_idle && wait.lasted > Duration::ZERO && wait.unknown.is_none());
    assert_eq!(wait.parties.len(), 1);
    resume(pid);
    seen(&node, what, |wait| owner_is(wait, pid, ProcessState::Runs));
    owner.kill().unwrap();
    eventually("nobody waits any more", || node.waits().is_empty());
}

struct Counts;

#[derive(Serialize, Deserialize)]
enum Count {
    /// Never comes to an end.
    Forever(ReplyTo<()>),
}

impl Actor for Counts {
    type Message = Count;
    type Args = ();
    fn start(_: &mut Context<Count>, (): ()) -> Result<Self, Failure> {
        Ok(Counts)
    }
    fn handle(&mut self, _: &mut Context<Count>, Count::Forever(_reply): Count) -> Result<(), Failure> {
        loop {
            std::hint::spin_loop();
        }
    }
}

fn counts(node: &Node, (): ()) {
    let _counts = node.actor::<Counts>(()).name("/counts").start().unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > `Node::waits` names what each of its threads waits for, and of the owner the process, and whether that runs, is busy, is stopped or is gone.
#[test]
fn a_call_of_an_actor_that_never_ends_says_that_its_process_is_busy() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", counts, ()).unwrap();
    let actor: callboard::ActorRef<Count> = node.open_timeout("/counts", PATIENCE).unwrap();
    begin(move || actor.call(Count::Forever));
    let wait =
        seen(&node, "an answer of actor /counts", |wait| owner_is(wait, owner.pid(), ProcessState::Busy));
    assert!(
        wait.to_string().ends_with(&format!("owner (pid {}) owns it and is busy", owner.pid())),
        "{wait}"
    );
    owner.kill().unwrap();
}

fn holds(node: &Node, (lock, held): (Lock, Queue<u8>)) {
    let _guard = lock.lock().unwrap();
    held.put_confirmed(1).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

fn has_lock(node: &Node, name: String) {
    let _lock: Lock = node.create(&name, LockOptions::new()).unwrap();
    while !node.wait_stopping(PATIENCE) {}
}

/// > Of a lock that is waited for its holder is named too, and what that is doing; if its owner can't be asked, that is said.
#[test]
fn of_a_lock_the_holder_is_named_and_whether_it_is_stopped() {
    let node = Node::start().unwrap();
    let owner = node.spawn("owner", has_lock, "/lock".to_owned()).unwrap();
    let lock: Lock = node.open_timeout("/lock", PATIENCE).unwrap();
    let held: Queue<u8> = node.anonymous(QueueOptions::new());
    let holder = node.spawn("holder", holds, (lock.clone(), held.clone())).unwrap();
    held.get().unwrap();
    begin(move || drop(lock.lock()));
    let holds = |wait: &WaitInfo, state| {
        let holder_is = |party: &&callboard::WaitParty| party.role == WaitRole::Holder;
        let found = wait.parties.iter().find(holder_is);
        found.is_some_and(|party| party.pid == Some(holder.pid()) && party.state == state)
    };
    seen(&node, "lock /lock", |wait| {
        owner_is(wait, owner.pid(), ProcessState::Runs) && holds(wait, ProcessState::Runs)
    });
    stop(holder.pid());
    let wait = seen(&node, "lock /lock", |wait| holds(wait, ProcessState::Stopped));
    let expected = format!(": owner (pid {}) owns it and runs; ", owner.pid());
    assert!(wait.to_string().contains(&expected), "{wait}");
    let expected = format!("pid {}) holds it and is stopped", holder.pid());
    assert!(wait.to_string().ends_with(&expected), "{wait}");
    stop(owner.pid());
    let is_unknown =
        |wait: &WaitInfo| owner_is(wait, owner.pid(), ProcessState::Stopped) && wait.unknown.is_some();
    let wait = seen(&node, "lock /lock", is_unknown);
    assert!(wait.to_string().ends_with("; who holds it only its owner knows, who does not answer"), "{wait}");
    // Both are stopped, and end with the job.
    drop(node);
    eventually("both are gone", || [&owner, &holder].iter().all(|child| stop_state(child.pid()).is_none()));
}

/// > What a node has created or opened by name is called by it also when the root is stopped; anything else then by its address.
#[test]
fn a_child_names_what_it_waits_for_while_the_root_is_stopped() {
    /// A job of its own, whose root is stopped by its child.
    fn job(_: &Node, told: PathBuf) {
        let node = Node::start().unwrap();
        let by_name: Queue<u8> = node.create("/by-name", QueueOptions::new()).unwrap();
        let by_value: Queue<u8> = node.create("/by-value", QueueOptions::new()).unwrap();
        let _child = node.spawn("child", child, (by_value, told)).unwrap();
        while by_name.get().is_ok() {}
    }
    fn child(node: &Node, (by_value, told): (Queue<u8>, PathBuf)) {
        let by_name: Queue<u8> = node.open("/by-name").unwrap();
        let address = format!("{by_value:?}").rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned();
        begin(move || by_name.get());
        begin(move || by_value.get());
        seen(node, "an item from queue /by-value", |_| true);
        let root = node.parent_pid().unwrap();
        stop(root);
        let is_stopped = |wait: &WaitInfo| owner_is(wait, root, ProcessState::Stopped);
        seen(node, "an item from queue /by-name", is_stopped);
        seen(node, &format!("an item from queue {address}"), is_stopped);
        std::fs::write(told, "as expected").unwrap();
    }
    let node = Node::start().unwrap();
    let told = tempfile::NamedTempFile::new().unwrap();
    let _job = node.spawn("job", job, told.path().to_owned()).unwrap();
    eventually("the child has seen it", || std::fs::read_to_string(told.path()).unwrap() == "as expected");
}
