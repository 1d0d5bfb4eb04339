//! The machine that owns one shared object. It has no lock, no clock and no I/O, and decodes nothing that users put into it.

use std::time::{Duration, Instant};

use callboard_core::{BodyError, ByteStrings, NodeId};
use serde::{Serialize, de::DeserializeOwned};

/// One question, until it is answered or forgotten. The owner answers it once, now or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Asker(pub(crate) u64);

/// What follows from a message.
#[derive(Debug)]
pub(crate) struct Effects<R> {
    pub(crate) replies: Vec<(Asker, R)>,
    pub(crate) tick_at: Option<Instant>,
    pub(crate) tick_after: Option<Duration>,
    /// A name that is to be free before anybody is answered.
    pub(crate) frees: Option<String>,
    /// Its slot is to be free.
    pub(crate) is_over: bool,
}

impl<R> Default for Effects<R> {
    fn default() -> Self {
        Self { replies: Vec::new(), tick_at: None, tick_after: None, frees: None, is_over: false }
    }
}

impl<R> Effects<R> {
    /// Answers `asker`. An answer to somebody who does not wait is dropped.
    pub(crate) fn reply(&mut self, asker: Asker, reply: R) {
        self.replies.push((asker, reply));
    }

    /// Has the owner's `tick` called at `at`, or earlier.
    pub(crate) fn tick_at(&mut self, at: Instant) {
        self.tick_at = Some(self.tick_at.map_or(at, |before| before.min(at)));
    }

    /// The same, so long from now, for a step that was not told the time.
    pub(crate) fn tick_after(&mut self, time: Duration) {
        self.tick_after = Some(self.tick_after.map_or(time, |before| before.min(time)));
    }

    /// Takes its name from the object. The answers of this step are given when it is free.
    pub(crate) fn free(&mut self, name: String) {
        self.frees = Some(name);
    }

    /// Ends the object: its address reaches nobody from now on.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
    }
}

pub(crate) trait Owner: Send + Sized + 'static {
    type Ask: Serialize + DeserializeOwned + Send;
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// What it owns, in a word, for whoever asks what is waited for.
    const KIND: &'static str;

    /// Handles what `asker` asks.
    fn handle(&mut self, asker: Asker, ask: Self::Ask, now: Instant, effects: &mut Effects<Self::Reply>);

    /// Does what `by` has cast, one after the other. Those it refuses it counts; an error is about bytes that are no cast.
    fn casts(
        &mut self,
        _by: NodeId,
        _casts: ByteStrings<'_>,
        _now: Instant,
        _effects: &mut Effects<Self::Reply>,
    ) -> Result<(), BodyError> {
        Err(BodyError::Decode { expected: "cast", reason: "this object takes none".to_owned() })
    }

    /// `asker`, who has no answer yet, waits no longer: it gave up, or its node has ended.
    fn forget(&mut self, _asker: Asker, _effects: &mut Effects<Self::Reply>) {}

    /// The same, if its node has ended.
    fn lose(&mut self, asker: Asker, effects: &mut Effects<Self::Reply>) {
        self.forget(asker, effects);
    }

    /// That node has ended, after all that it had asked has been forgotten. Told for nodes in which the cell has declared an interest.
    fn node_ended(&mut self, _node: NodeId, _effects: &mut Effects<Self::Reply>) {}

    /// Its own node ends.
    fn node_ends(&mut self, _effects: &mut Effects<Self::Reply>) {}

    /// The time that it had asked for has come, or one before.
    fn tick(&mut self, _now: Instant, _effects: &mut Effects<Self::Reply>) {}
}
