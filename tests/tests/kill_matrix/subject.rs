//! What the matrix asks of a shared type.

use std::fs::File;

use callboard::Object;
use callboard_tests::Random;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Part;
use crate::locks::Inside;
use crate::notes::{Account, Notes, What};

/// The owner has ended, as its documented error says. Any other error is a panic.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ended;

/// A shared type as the matrix uses it.
pub(crate) trait Subject:
    Object<Options: Serialize + DeserializeOwned + Send> + Clone + Serialize + DeserializeOwned + Send + 'static
{
    fn options() -> Self::Options;

    /// Does one thing with it, chosen at random.
    fn act(&self, turn: &mut Turn) -> Result<(), Ended>;

    /// Waits for what others do by [`act`](Self::act), or for [`release`](Self::release); false if nothing more will come.
    fn wait(&self, turn: &mut Turn) -> Result<bool, Ended>;

    /// Asks it something.
    fn look(&self, turn: &Turn) -> Result<(), Ended>;

    /// Ends the waits, when nobody acts any more.
    fn release(&self);

    /// Holds that it is as it should be, after all others have ended.
    fn check(&self, accounts: &[Account]);
}

/// An answer, or that the owner has ended; anything else is not what it may say.
macro_rules! or_ended {
    ($answer:expr, $ended:pat) => {
        match $answer {
            Ok(answer) => Ok(answer),
            Err($ended) => Err(crate::subject::Ended),
            Err(other) => panic!("{other}"),
        }
    };
}
pub(crate) use or_ended;

/// A process that has its turn at something.
pub(crate) struct Turn {
    pub(crate) random: Random,
    /// Where all processes of a round say that they are inside something.
    pub(crate) inside: Inside,
    pub(crate) who: u64,
    notes: Notes,
    count: u64,
}

impl Turn {
    pub(crate) fn new(notes: Notes, part: &Part) -> Self {
        let inside = part.notes.with_file_name("inside");
        let open = File::options().create(true).truncate(false).read(true).write(true).open(inside);
        let inside = Inside(open.unwrap());
        Self { random: Random::from_seed(part.seed), inside, who: part.who, notes, count: 0 }
    }

    pub(crate) fn note(&self, what: What, number: u64) {
        self.notes.note(what, number);
    }

    /// A number that nobody else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        (self.who << 32) | self.count
    }

    /// Puts a number in by `give`, which returns once the owner has it.
    pub(crate) fn confirm(&mut self, give: impl FnOnce(u64) -> Result<(), Ended>) -> Result<(), Ended> {
        self.give_as(What::Confirmed, give)
    }

    /// Puts a number in by `give`, which may return before the owner has it.
    pub(crate) fn give(&mut self, give: impl FnOnce(u64) -> Result<(), Ended>) -> Result<(), Ended> {
        self.give_as(What::Gave, give)
    }

    fn give_as(&mut self, what: What, give: impl FnOnce(u64) -> Result<(), Ended>) -> Result<(), Ended> {
        let number = self.number();
        self.note(What::Begins, number);
        give(number)?;
        self.note(what, number);
        Ok(())
    }

    /// Takes a number out by `take`, if there is one.
    pub(crate) fn take(&self, take: impl FnOnce() -> Result<Option<u64>, Ended>) -> Result<(), Ended> {
        self.note(What::Takes, 0);
        match take()? {
            Some(number) => self.note(What::Took, number),
            None => self.note(What::Saw, 0),
        }
        Ok(())
    }
}
