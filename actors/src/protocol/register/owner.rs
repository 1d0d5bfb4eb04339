//! The machine of a register: a byte string or none, and when it goes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_bytes::ByteBuf;

use super::options::RegisterOptions;
use super::wire::{Ask, Fault, Reply};
use crate::protocol::object::{Asker, Changes, Effects, Functions, Owner, fit_a_message};

/// What somebody who watches wants to hear.
#[derive(Debug)]
enum Wants {
    Report,
    Version,
}

#[derive(Debug)]
pub(crate) struct RegisterOwner {
    value: Option<ByteBuf>,
    /// When the value goes by itself.
    until: Option<Instant>,
    functions: Functions,
    /// Who waits for a value, in the order in which they asked.
    waiting: BTreeSet<Asker>,
    changes: Changes<Wants>,
}

impl RegisterOwner {
    pub(crate) fn new<T>(options: RegisterOptions<T>) -> Self {
        Self {
            value: options.value,
            until: None,
            functions: options.functions,
            waiting: BTreeSet::new(),
            changes: Changes::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn version(&self) -> u64 {
        self.changes.version()
    }

    /// Makes it `value`, tells whoever waits for that, and gives what it was.
    fn replace(&mut self, value: Option<ByteBuf>, effects: &mut Effects<Reply>) -> Option<ByteBuf> {
        let before = std::mem::replace(&mut self.value, value);
        self.until = None;
        if before.is_none() && self.value.is_none() {
            return before;
        }
        for (watcher, wants) in self.changes.changed() {
            effects.reply(watcher, self.report(&wants));
        }
        if self.value.is_some() {
            for waiting in std::mem::take(&mut self.waiting) {
                effects.reply(waiting, Reply::Value(self.value.clone()));
            }
        }
        before
    }

    fn report(&self, wants: &Wants) -> Reply {
        let version = self.changes.version();
        match wants {
            Wants::Report => Reply::Report { version, value: self.value.clone() },
            Wants::Version => Reply::Version(version),
        }
    }

    /// Lets go of a value whose time is over, or asks to be called when it is.
    fn expire(&mut self, now: Instant, effects: &mut Effects<Reply>) {
        match self.until {
            Some(until) if until <= now => drop(self.replace(None, effects)),
            Some(until) => effects.tick_at(until),
            None => {}
        }
    }

    /// Makes it last for that long. What is too long for the clock lasts for ever.
    fn last(&mut self, lasting: Option<Duration>, now: Instant, effects: &mut Effects<Reply>) {
        self.until = lasting.and_then(|lasting| now.checked_add(lasting));
        self.expire(now, effects);
    }

    fn update(&mut self, name: &str, args: &ByteBuf, effects: &mut Effects<Reply>) -> Result<Reply, Fault> {
        let values: Vec<&[u8]> = self.value.iter().map(|value| value.as_slice()).collect();
        let mut outcome = self.functions.run(name, &values, args).map_err(Fault::Function)?;
        if !fit_a_message([&outcome.result]) || !fit_a_message(&outcome.values) {
            return Err(Fault::TooLarge);
        }
        let value = outcome.values.pop();
        if value != self.value {
            self.replace(value, effects);
        }
        Ok(Reply::Value(Some(outcome.result)))
    }

    /// The answer; none to somebody who waits.
    fn answer(
        &mut self,
        asker: Asker,
        ask: Ask,
        now: Instant,
        effects: &mut Effects<Reply>,
    ) -> Option<Reply> {
        Some(match ask {
            Ask::Wait if self.value.is_none() => {
                self.waiting.insert(asker);
                return None;
            }
            Ask::Watch { after } if after >= self.changes.version() => {
                self.changes.wait(asker, Wants::Report);
                return None;
            }
            Ask::Await { after } if after >= self.changes.version() => {
                self.changes.wait(asker, Wants::Version);
                return None;
            }
            Ask::Get | Ask::Wait => Reply::Value(self.value.clone()),
            Ask::Set { value, lasting } => {
                let before = self.replace(Some(value), effects);
                self.last(lasting, now, effects);
                Reply::Value(before)
            }
            Ask::Take => Reply::Value(self.replace(None, effects)),
            Ask::CompareAndSwap { expected, new } => {
                if expected == self.value {
                    self.replace(new, effects);
                    Reply::Done
                } else {
                    Reply::Value(self.value.clone())
                }
            }
            Ask::Update { name, args } => self.update(&name, &args, effects).unwrap_or_else(Reply::Failed),
            Ask::Version | Ask::Await { .. } => self.report(&Wants::Version),
            Ask::Look | Ask::Watch { .. } => self.report(&Wants::Report),
        })
    }
}

impl Owner for RegisterOwner {
    const KIND: &'static str = "register";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, now: Instant, effects: &mut Effects<Reply>) {
        // The clock may be late, and no value is seen after its time.
        self.expire(now, effects);
        if let Some(reply) = self.answer(asker, ask, now, effects) {
            effects.reply(asker, reply);
        }
    }

    fn forget(&mut self, asker: Asker, _: &mut Effects<Reply>) {
        self.waiting.remove(&asker);
        self.changes.forget(asker);
    }

    fn tick(&mut self, now: Instant, effects: &mut Effects<Reply>) {
        self.expire(now, effects);
    }
}
