//! The table of who is killed: an owner, one who waits, one who uses, one who stands by; of every shared type; in a process of
//! their own or at a manager; by SIGKILL, or stopped before; at a random instant.
//!
//! In each round an owner, two who wait, two who use and one who stands by are processes that do what they are for. One is
//! killed. Then whoever is left gets on, or is told that the owner has ended; and what is in the object is what was put
//! in and not taken out.
//!
//! `STORM_ROUNDS=300 cargo test --release -p callboard-tests --test kill_matrix` runs many more rounds of each cell.

#[path = "kill_matrix/locks.rs"]
mod locks;
#[path = "kill_matrix/meeting.rs"]
mod meeting;
#[path = "kill_matrix/memory.rs"]
mod memory;
#[path = "kill_matrix/notes.rs"]
mod notes;
#[path = "kill_matrix/pipes.rs"]
mod pipes;
#[path = "kill_matrix/queues.rs"]
mod queues;
#[path = "kill_matrix/subject.rs"]
mod subject;
#[path = "kill_matrix/tables.rs"]
mod tables;
#[path = "kill_matrix/values.rs"]
mod values;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use callboard::{
    Array, Barrier, Condition, Counter, Dict, Event, JoinError, Latch, LifoQueue, List, Lock, Manager, Node,
    PriorityQueue, Process, Queue, ReentrantLock, Register, RwLock, Semaphore, Served, Set, Value,
};
use callboard_tests::{LeakCheck, PATIENCE, Random, eventually, pause, rounds, send_signal, stop_state};
use serde::{Deserialize, Serialize};

use crate::notes::{Account, Notes, What, count};
use crate::subject::{Ended, Subject, Turn};

callboard::test_door!();

/// The latest moment at which somebody is killed, after all are there.
const LONGEST: Duration = Duration::from_millis(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Owner,
    Waiter,
    User,
    Bystander,
}

const ROLES: [Role; 4] = [Role::Owner, Role::Waiter, Role::User, Role::Bystander];

/// How a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    AtOnce,
    Stopped,
}

pub(crate) const KILLS: [Kill; 2] = [Kill::AtOnce, Kill::Stopped];

impl Kill {
    pub(crate) fn strike(self, pid: u32, random: &mut Random) {
        if self == Kill::Stopped {
            send_signal(pid, 19);
            if random.below(2) == 0 {
                eventually("it is stopped", || stop_state(pid) == Some('T'));
                pause(random.time(LONGEST));
            }
        }
        send_signal(pid, 9);
    }
}

/// Where the object lives.
enum Home {
    Owner(Process<()>),
    Manager(Manager),
}

impl Home {
    fn process(&self) -> &Process<()> {
        match self {
            Home::Owner(process) => process,
            Home::Manager(manager) => manager.process(),
        }
    }

    fn end(self) {
        match self {
            Home::Owner(process) => {
                process.terminate(PATIENCE);
                process.join_timeout(PATIENCE).unwrap();
            }
            Home::Manager(manager) => manager.shutdown(PATIENCE).unwrap(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hosting {
    Owner,
    Manager,
}

impl Hosting {
    fn create<S: Subject>(self, node: &Node) -> (Home, S) {
        fn owns<S: Subject>(node: &Node, (): ()) {
            let _subject: S = node.create("/subject", S::options()).unwrap();
            while !node.wait_stopping(PATIENCE) {}
        }
        match self {
            Hosting::Owner => {
                let owner = node.process("owner").stderr_null().spawn(owns::<S>, ()).unwrap();
                (Home::Owner(owner), node.open_timeout("/subject", PATIENCE).unwrap())
            }
            Hosting::Manager => {
                let manager = Manager::start(node, "/manager").unwrap();
                let subject = manager.host().anonymous(S::options()).unwrap();
                (Home::Manager(manager), subject)
            }
        }
    }
}

/// What everybody but the owner does.
fn plays<S: Subject>(node: &Node, (subject, part): (S, Part)) -> Result<(), Ended> {
    let notes = Notes::open(&part.notes);
    notes.note(What::Ready, 0);
    let mut turn = Turn::new(notes, &part);
    match part.role {
        Role::Owner => unreachable!("an owner has no part"),
        Role::Waiter => {
            while subject.wait(&mut turn)? {
                if node.stopping() {
                    break;
                }
            }
        }
        Role::User => {
            while !node.stopping() {
                subject.act(&mut turn)?;
            }
        }
        Role::Bystander => {
            subject.look(&turn)?;
            turn.note(What::Saw, 0);
            while !node.wait_stopping(PATIENCE) {}
            subject.look(&turn)?;
        }
    }
    Ok(())
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    role: Role,
    who: u64,
    seed: u64,
    notes: PathBuf,
}

struct Player {
    part: Part,
    process: Process<Result<(), Ended>>,
    was_killed: bool,
}

impl Player {
    fn notes(&self) -> u64 {
        count(&self.part.notes)
    }

    #[track_caller]
    fn join(&self, expected: Result<(), Ended>) {
        let role = self.part.role;
        match self.process.join_timeout(PATIENCE) {
            Ok(told) => assert_eq!(told, expected, "{role:?}"),
            Err(error) => panic!("{role:?}: {error}"),
        }
    }
}

fn cast<S: Subject>(node: &Node, subject: &S, folder: &Path, random: &mut Random) -> Vec<Player> {
    let roles = [Role::Waiter, Role::User, Role::Bystander, Role::User, Role::Waiter];
    let player = |(who, role): (u64, Role)| {
        let notes = folder.join(format!("{who}-{role:?}"));
        let part = Part { role, who, seed: random.below(u64::MAX), notes };
        let process = node.process("player").spawn(plays::<S>, (subject.clone(), part.clone())).unwrap();
        Player { part, process, was_killed: false }
    };
    (1..).zip(roles).map(player).collect()
}

/// One round: `victim` is killed.
fn round<S: Subject>(node: &Node, hosting: Hosting, victim: Role, kill: Kill, random: &mut Random) {
    let folder = tempfile::tempdir().unwrap();
    let (home, subject) = hosting.create::<S>(node);
    let mut players = cast(node, &subject, folder.path(), random);
    if random.below(4) > 0 {
        eventually("all are there", || players.iter().all(|player| player.notes() > 0));
    }
    pause(random.time(LONGEST));
    if victim == Role::Owner {
        kill.strike(home.process().pid(), random);
        return the_owner_has_ended(&home, &players);
    }
    let victims: Vec<usize> = (0..players.len()).filter(|at| players[*at].part.role == victim).collect();
    let dies = &mut players[*random.pick(&victims)];
    kill.strike(dies.process.pid(), random);
    dies.was_killed = true;
    assert!(matches!(dies.process.join_timeout(PATIENCE), Err(JoinError::Signalled { signal: 9, .. })));
    the_others_get_on(&subject, &players);
    let account = |player: &Player| Account::read(&player.part.notes, player.was_killed);
    let accounts: Vec<Account> = players.iter().map(account).collect();
    subject.check(&accounts);
    home.end();
}

fn the_owner_has_ended(home: &Home, players: &[Player]) {
    assert!(home.process().join_timeout(PATIENCE).is_err());
    for player in players {
        if player.part.role == Role::Bystander {
            player.process.terminate(PATIENCE);
        }
        player.join(Err(Ended));
    }
}

/// They do more than they had done, and end when they are asked to.
fn the_others_get_on<S: Subject>(subject: &S, players: &[Player]) {
    let others = || players.iter().filter(|player| !player.was_killed);
    let of = |role| others().filter(move |player| player.part.role == role);
    for player in others().filter(|player| player.part.role != Role::Bystander) {
        let before = player.notes();
        let role = player.part.role;
        eventually(&format!("a {role:?} gets on"), || player.notes() > before + 2);
    }
    for role in [Role::User, Role::Bystander] {
        of(role).for_each(|player| player.process.terminate(PATIENCE));
        of(role).for_each(|player| player.join(Ok(())));
    }
    of(Role::Waiter).for_each(|player| player.process.terminate(PATIENCE));
    for player in of(Role::Waiter) {
        eventually("a wait ends", || {
            subject.release();
            !matches!(player.process.join_timeout(Duration::from_millis(1)), Err(JoinError::TimedOut))
        });
        player.join(Ok(()));
    }
}

/// Tests of one program run one at a time: they look for what is left over.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `cell` for each kind of victim and way of killing, on one node, and looks for what is left at the end.
pub(crate) fn every_cell<V: Copy + std::fmt::Debug>(
    victims: &[V],
    cell: impl Fn(&Node, V, Kill, &mut Random),
) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let node = Node::start().unwrap();
    let mut random = Random::new();
    let cells: Vec<(V, Kill)> = victims.iter().flat_map(|victim| KILLS.map(|kill| (*victim, kill))).collect();
    let leaks = std::cell::OnceCell::new();
    for _ in 0..rounds(3) {
        for (victim, kill) in &cells {
            eprintln!("{victim:?} killed: {kill:?}");
            cell(&node, *victim, *kill, &mut random);
            // What a node makes for good it has made now.
            leaks.get_or_init(LeakCheck::beside_other_tests);
        }
    }
    leaks.get().expect("there was a round").check();
}

/// Tests of each type, in a process of its own and at a manager.
macro_rules! matrix {
    ($($name:ident: $of:ty;)+) => {
        $(mod $name {
            use super::*;

            /// > Whoever is killed of those who own, use, wait for or know a shared object, of whatever type, at any moment,
            /// > stopped before or not: the others get on, or are told that its owner has ended.
            ///
            /// > Then nothing given is lost and nothing comes twice, but what the killed process was just taking may be gone.
            #[test]
            fn in_a_process_of_its_own() {
                every_cell(&ROLES, |node, victim, kill, random| {
                    round::<$of>(node, Hosting::Owner, victim, kill, random);
                });
            }

            /// > So it is with a manager's objects.
            #[test]
            fn at_a_manager() {
                every_cell(&ROLES, |node, victim, kill, random| {
                    round::<$of>(node, Hosting::Manager, victim, kill, random);
                });
            }
        })+
    };
}

matrix! {
    a_queue: Queue<u64>;
    a_lifo_queue: LifoQueue<u64>;
    a_priority_queue: PriorityQueue<u64>;
    an_event: Event;
    a_counter: Counter;
    a_latch: Latch;
    a_barrier: Barrier;
    a_register: Register<u64>;
    a_dict: Dict<u64, u64>;
    a_set: Set<u64>;
    a_list: List<u64>;
    a_served_object: Served<Vec<u64>>;
    a_lock: Lock;
    a_reentrant_lock: ReentrantLock;
    a_lock_for_readers_and_writers: RwLock;
    a_semaphore: Semaphore;
    a_value: Value<[u64; 9]>;
    an_array: Array<u64>;
    a_condition: Condition;
}
