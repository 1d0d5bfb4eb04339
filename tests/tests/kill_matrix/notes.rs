//! What the processes of a round note in files, so that it outlives whoever is killed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a process notes, each with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// It is there.
    Ready,
    /// It begins to put the number in.
    Begins,
    /// It has put it in, as far as it can tell: if it is killed it may not have come.
    Gave,
    /// It has put it in, and the owner said so.
    Confirmed,
    /// It begins to take something out.
    Takes,
    /// It has taken this out.
    Took,
    /// There was nothing to take, or it has seen what it waited for.
    Saw,
}

const ALL: [What; 7] =
    [What::Ready, What::Begins, What::Gave, What::Confirmed, What::Takes, What::Took, What::Saw];

/// The notes of one process, as it writes them.
pub(crate) struct Notes(File);

impl Notes {
    pub(crate) fn open(path: &Path) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    /// Written when this returns, whoever is killed then.
    pub(crate) fn note(&self, what: What, number: u64) {
        let mut line = [0; 16];
        line[..8].copy_from_slice(&(what as u64).to_le_bytes());
        line[8..].copy_from_slice(&number.to_le_bytes());
        (&self.0).write_all(&line).unwrap();
    }
}

/// How many notes there are.
pub(crate) fn count(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len() / 16)
}

/// The notes of one process, as they are read afterwards.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) was_killed: bool,
    notes: Vec<(What, u64)>,
}

impl Account {
    pub(crate) fn read(path: &PathBuf, was_killed: bool) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let note = |line: &[u8]| (ALL[word(&line[..8]) as usize], word(&line[8..]));
        Self { was_killed, notes: bytes.chunks_exact(16).map(note).collect() }
    }

    pub(crate) fn all(&self, what: What) -> impl Iterator<Item = u64> {
        self.notes.iter().filter(move |note| note.0 == what).map(|note| note.1)
    }

    /// The numbers that are in by what was promised to it.
    fn given(&self) -> impl Iterator<Item = u64> {
        let is_given = move |what| what == What::Confirmed || what == What::Gave && !self.was_killed;
        self.notes.iter().filter(move |note| is_given(note.0)).map(|note| note.1)
    }

    /// Whether it was killed with something that it had just taken, and nobody knows what.
    fn died_taking(&self) -> bool {
        self.was_killed && self.notes.last().is_some_and(|(what, _)| *what == What::Takes)
    }
}

/// Holds that of all that was put in nothing is lost and nothing came twice, given what is `left`: but one thing may be gone
/// with each process that was killed while it took something.
pub(crate) fn check_bag(accounts: &[Account], left: Vec<u64>) {
    let mut came: Vec<u64> = accounts.iter().flat_map(|account| account.all(What::Took)).collect();
    came.extend(left);
    came.sort_unstable();
    let twice = came.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "came twice");
    let mut begun: Vec<u64> = accounts.iter().flat_map(|account| account.all(What::Begins)).collect();
    begun.sort_unstable();
    let strange = came.iter().find(|number| begun.binary_search(number).is_err());
    assert_eq!(strange, None, "was never put in");
    let given = accounts.iter().flat_map(Account::given);
    let lost: Vec<u64> = given.filter(|number| came.binary_search(number).is_err()).collect();
    let died_taking = accounts.iter().filter(|account| account.died_taking()).count();
    assert!(
        lost.len() <= died_taking,
        "{lost:x?} are lost, and {died_taking} were killed while they took one"
    );
}

/// Holds that a sum lies between that of what was given for sure and that of what was begun.
pub(crate) fn check_sum(accounts: &[Account], sum: u64) {
    let least: u64 = accounts.iter().flat_map(Account::given).sum();
    let most: u64 = accounts.iter().flat_map(|account| account.all(What::Begins)).sum();
    assert!((least..=most).contains(&sum), "{sum} is not within {least}..={most}");
    assert!(least == most || accounts.iter().any(|account| account.was_killed));
}

fn account(was_killed: bool, notes: &[(What, u64)]) -> Account {
    Account { was_killed, notes: notes.to_vec() }
}

#[test]
#[should_panic(expected = "[2] are lost")]
fn a_lost_number_is_found() {
    let put = account(false, &[(What::Begins, 1), (What::Confirmed, 1), (What::Begins, 2), (What::Gave, 2)]);
    check_bag(&[put], vec![1]);
}

#[test]
#[should_panic(expected = "came twice")]
fn a_number_that_came_twice_is_found() {
    let put = account(false, &[(What::Begins, 1), (What::Confirmed, 1), (What::Takes, 0), (What::Took, 1)]);
    check_bag(&[put], vec![1]);
}

#[test]
fn what_a_killed_process_had_in_hand_is_nobodys_fault() {
    let put = account(false, &[(What::Begins, 1), (What::Confirmed, 1)]);
    let took = account(true, &[(What::Begins, 2), (What::Gave, 2), (What::Begins, 3), (What::Takes, 0)]);
    check_bag(&[put, took], vec![3]);
}

#[test]
#[should_panic(expected = "is not within 3..=3")]
fn a_sum_that_is_too_large_is_found() {
    check_sum(&[account(false, &[(What::Begins, 3), (What::Confirmed, 3)])], 4);
}
