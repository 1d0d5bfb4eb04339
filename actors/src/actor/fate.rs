//! What became of an actor that a supervisor keeps in a process of its own: whether it is started again.
//!
//! Its process can't say, which may be killed at any instruction. The node of its supervisor can, its keeper: it hears how the
//! process ended, and then decides. So whoever watches such an actor asks the keeper when it is through with the actor's node
//! itself, which keeps what the actor had sent before its end, and tells the end only with that answer. Who the keeper is comes
//! with the connection to the actor's node (`Peer::keeper`), so it is known before anybody there can be watched.
//!
//! The keeper opens a fate before it starts the process, and decides it when the name is free, or kept for the next life. A
//! keeper that ends answers nothing: the end of its node does, and its hold on the name goes with it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use callboard_core::limits::MAX_AWAITED_ENDS_PER_NODE;
use callboard_core::{Address, NodeId, Slot};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::exit::Exit;
use super::watch::{OnEnd, once_names_are_free};
use super::wire::{Follows, Over};
use crate::call::{self, CallError};
use crate::cell::Violation;
use crate::control::{CONTROL, Control, Tally};
use crate::peer::Peer;
use crate::runtime::Runtime;

/// How many fates a node remembers once they are decided, the latest. Whoever asks later, as it was stopped meanwhile, is told
/// only what it knows itself.
const MAX_DECIDED: usize = 1024;

/// How one life in a process of its own ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fate {
    exit: Exit,
    restarts: bool,
}

/// Who asks: what is to be done with the answer. None: nobody here knows.
pub(crate) type Then = Box<dyn FnOnce(&Arc<Runtime>, Option<Fate>) + Send>;

/// The fates of those whom this node keeps. Nobody is answered with the lock held.
#[derive(Default)]
pub(crate) struct Fates(Mutex<Lives>);

#[derive(Default)]
struct Lives {
    /// By the node, which hosts one such actor.
    lives: HashMap<NodeId, Life>,
    /// Those that are decided, the latest last.
    decided: VecDeque<NodeId>,
    /// How many of each node wait.
    asked: Tally,
    /// The node ends: nothing is decided any more.
    is_closed: bool,
}

#[derive(Default)]
struct Life {
    /// Where the actor is, unless it had none when its process ended.
    slot: Option<Slot>,
    waiting: Vec<Waiting>,
    fate: Option<Fate>,
}

struct Waiting {
    /// Of the actor asked about.
    slot: Slot,
    by: NodeId,
    then: Then,
}

impl Life {
    fn may_wait(&self, for_slot: Slot) -> bool {
        self.slot.is_none_or(|slot| slot == for_slot) && self.fate.is_none()
    }

    fn of(&self, slot: Slot) -> Option<Fate> {
        self.fate.clone().filter(|_| self.slot == Some(slot))
    }
}

impl Fates {
    fn open(&self, node: NodeId) {
        self.0.lock().lives.insert(node, Life::default());
    }

    /// The actor has its address; others on its node are nobody's here.
    pub(super) fn is_at(&self, runtime: &Arc<Runtime>, address: Address) {
        let others: Vec<_> = {
            let mut state = self.0.lock();
            let Lives { lives, asked, .. } = &mut *state;
            let Some(life) = lives.get_mut(&address.node) else { return };
            life.slot = Some(address.slot);
            let others: Vec<_> = life.waiting.extract_if(.., |waits| waits.slot != address.slot).collect();
            others.iter().for_each(|waits| asked.take(waits.by));
            others
        };
        others.into_iter().for_each(|waits| (waits.then)(runtime, None));
    }

    /// Runs `then`, which is of node `by`, with the fate of the actor at that address once it is decided; now if it is, or nobody here
    /// knows.
    ///
    /// # Errors
    ///
    /// That more of that node wait than may.
    pub(crate) fn ask(
        &self,
        runtime: &Arc<Runtime>,
        by: NodeId,
        of: Address,
        then: Then,
    ) -> Result<(), Violation> {
        let known = {
            let mut state = self.0.lock();
            let Lives { lives, asked, is_closed, .. } = &mut *state;
            match lives.get_mut(&of.node) {
                Some(life) if !*is_closed && life.may_wait(of.slot) => {
                    // Whoever asks here does so for what is counted elsewhere.
                    if by != runtime.id && !asked.add(by) {
                        return Err(format!(
                            "more than {MAX_AWAITED_ENDS_PER_NODE} fates are awaited by one node"
                        ));
                    }
                    life.waiting.push(Waiting { slot: of.slot, by, then });
                    return Ok(());
                }
                Some(life) => life.of(of.slot),
                None => None,
            }
        };
        then(runtime, known);
        Ok(())
    }

    /// A node that has ended waits for nobody's fate.
    pub(crate) fn forget(&self, node: NodeId) {
        let forgotten: Vec<_> = {
            let mut state = self.0.lock();
            if state.asked.of(node) == 0 {
                return;
            }
            state.asked.forget(node);
            let lives = state.lives.values_mut();
            lives.flat_map(|life| life.waiting.extract_if(.., |waits| waits.by == node)).collect()
        };
        drop(forgotten);
    }

    fn decide(&self, runtime: &Arc<Runtime>, node: NodeId, fate: Fate) {
        let answers: Vec<_> = {
            let mut state = self.0.lock();
            let Lives { lives, asked, .. } = &mut *state;
            let Some(life) = lives.get_mut(&node) else { return };
            life.fate = Some(fate);
            let waiting = std::mem::take(&mut life.waiting);
            waiting.iter().for_each(|waits| asked.take(waits.by));
            let answers = waiting.into_iter().map(|waits| (life.of(waits.slot), waits.then)).collect();
            state.decided.push_back(node);
            if state.decided.len() > MAX_DECIDED
                && let Some(oldest) = state.decided.pop_front()
            {
                state.lives.remove(&oldest);
            }
            answers
        };
        answers.into_iter().for_each(|(fate, then)| then(runtime, fate));
    }

    /// The node has ended, and whoever waits here is told so.
    pub(crate) fn close(&self, runtime: &Arc<Runtime>) {
        let lives = {
            let mut state = self.0.lock();
            state.is_closed = true;
            std::mem::take(&mut state.lives)
        };
        let waiting = lives.into_values().flat_map(|life| life.waiting);
        waiting.for_each(|waits| (waits.then)(runtime, None));
    }
}

/// A fate that is still to be decided, in the hands of whoever does.
pub(super) struct Open {
    node: NodeId,
    /// How that life ended, once it has.
    pub(super) exit: Option<Exit>,
}

impl Open {
    pub(super) fn new(runtime: &Runtime, node: NodeId) -> Self {
        runtime.control.fates.open(node);
        Self { node, exit: None }
    }

    pub(super) fn decide(self, runtime: &Arc<Runtime>, restarts: bool) {
        let exit = self.exit.unwrap_or(Exit::Disconnected);
        runtime.control.fates.decide(runtime, self.node, Fate { exit, restarts });
    }
}

/// Tells the end of the actor at `of` on that peer: as its keeper says, if it has one that is there and knows. `said` is what the
/// actor's node told; none if that has ended, and all that came from it was handled.
pub(super) fn tell(
    runtime: &Arc<Runtime>,
    keeper: Option<NodeId>,
    of: Address,
    said: Option<Exit>,
    on_end: OnEnd,
) {
    let Some(keeper) = keeper.filter(|_| !runtime.is_ending()) else {
        return without_keeper(runtime, of, said, on_end);
    };
    let then = move |runtime: &Arc<Runtime>, answer: Result<Option<Fate>, CallError>| match answer {
        Ok(Some(Fate { exit, restarts })) => {
            let follows = if restarts { Follows::LifeElsewhere } else { Follows::Nothing };
            on_end(runtime, Over { exit, follows });
        }
        Ok(None) => without_keeper(runtime, of, said, on_end),
        // Whom it kept ends with it. The name it held is free when the root is through with it.
        Err(_) => once_names_are_free(runtime, keeper, move |runtime| {
            without_keeper(runtime, of, said, on_end);
        }),
    };
    ask(runtime, keeper, of, then);
}

/// Tells the end as it is known without a keeper.
fn without_keeper(runtime: &Arc<Runtime>, of: Address, said: Option<Exit>, on_end: OnEnd) {
    let over = |exit| Over { exit, follows: Follows::Nothing };
    match said {
        Some(exit) => on_end(runtime, over(exit)),
        None => once_names_are_free(runtime, of.node, move |runtime| {
            on_end(runtime, over(Exit::Disconnected));
        }),
    }
}

fn ask(
    runtime: &Arc<Runtime>,
    keeper: NodeId,
    of: Address,
    then: impl FnOnce(&Arc<Runtime>, Result<Option<Fate>, CallError>) + Send + 'static,
) {
    if keeper == runtime.id {
        let then = Box::new(|runtime: &Arc<Runtime>, fate| then(runtime, Ok(fate)));
        let asked = runtime.control.fates.ask(runtime, runtime.id, of, then);
        return debug_assert!(asked.is_ok(), "{asked:?}");
    }
    let Some(peer) = runtime.meet(keeper) else { return then(runtime, Err(CallError::Disconnected)) };
    runtime.call_then(&peer, CONTROL, &Control::Fate { of }, |runtime, answer| {
        then(runtime, answer.and_then(|answer| call::answered(answer, runtime)));
    });
    peer.flush(runtime);
}

/// Answers a call of that peer with a fate, once it is decided.
///
/// # Errors
///
/// That more of that peer wait than may.
pub(crate) fn answer(
    runtime: &Arc<Runtime>,
    from: &Arc<Peer>,
    word: u64,
    of: Address,
) -> Result<(), Violation> {
    let peer = Arc::clone(from);
    let answer = move |runtime: &Arc<Runtime>, fate: Option<Fate>| {
        call::reply(runtime, &peer, word, &fate);
        peer.flush_by_need(runtime);
    };
    runtime.control.fates.ask(runtime, from.id, of, Box::new(answer))
}

#[cfg(test)]
mod tests {
    use callboard_core::Slot;

    use super::*;
    use crate::node::Node;

    type Told = Arc<Mutex<Vec<(u32, Option<bool>)>>>;

    fn at(node: NodeId, index: u32) -> Address {
        Address { node, slot: Slot { index, generation: 1 } }
    }

    /// Asks, and notes for which slot the answer came, and whether that one is started again.
    fn asks(node: &Node, of: Address, told: &Told) {
        let told = Arc::clone(told);
        let note = move |_: &Arc<Runtime>, fate: Option<Fate>| {
            told.lock().push((of.slot.index, fate.map(|fate| fate.restarts)));
        };
        node.runtime().control.fates.ask(node.runtime(), node.id(), of, Box::new(note)).unwrap();
    }

    #[test]
    fn a_fate_is_told_when_it_is_decided_and_only_of_the_one_that_is_kept() {
        let node = Node::start().unwrap();
        let (runtime, told) = (node.runtime(), Told::default());
        let id = NodeId::new(7).unwrap();
        asks(&node, at(id, 5), &told);
        assert_eq!(std::mem::take(&mut *told.lock()), [(5, None)], "nobody is kept there");
        let open = Open::new(runtime, id);
        asks(&node, at(id, 5), &told);
        asks(&node, at(id, 6), &told);
        assert!(told.lock().is_empty(), "which of them is kept is not known yet");
        runtime.control.fates.is_at(runtime, at(id, 5));
        assert_eq!(std::mem::take(&mut *told.lock()), [(6, None)]);
        asks(&node, at(id, 6), &told);
        assert_eq!(std::mem::take(&mut *told.lock()), [(6, None)]);
        open.decide(runtime, true);
        assert_eq!(std::mem::take(&mut *told.lock()), [(5, Some(true))]);
        asks(&node, at(id, 5), &told);
        asks(&node, at(id, 6), &told);
        assert_eq!(std::mem::take(&mut *told.lock()), [(5, Some(true)), (6, None)]);
    }

    #[test]
    fn the_latest_fates_are_remembered_and_no_more() {
        let node = Node::start().unwrap();
        let (runtime, told) = (node.runtime(), Told::default());
        let ids: Vec<NodeId> = (1..=MAX_DECIDED as u64 + 1).filter_map(NodeId::new).collect();
        for id in &ids {
            let open = Open::new(runtime, *id);
            runtime.control.fates.is_at(runtime, at(*id, 5));
            open.decide(runtime, false);
        }
        asks(&node, at(ids[0], 5), &told);
        asks(&node, at(ids[1], 5), &told);
        assert_eq!(*told.lock(), [(5, None), (5, Some(false))]);
        assert_eq!(runtime.control.fates.0.lock().lives.len(), MAX_DECIDED);
    }

    #[test]
    fn whoever_waits_for_a_fate_when_the_node_ends_is_told_that_nobody_knows() {
        let node = Node::start().unwrap();
        let told = Told::default();
        let id = NodeId::new(7).unwrap();
        let _open = Open::new(node.runtime(), id);
        asks(&node, at(id, 5), &told);
        assert!(told.lock().is_empty());
        let runtime = Arc::clone(node.runtime());
        drop(node);
        assert_eq!(*told.lock(), [(5, None)]);
        drop(runtime);
    }

    #[test]
    fn fates_awaited_by_one_node_have_a_limit_and_go_with_it() {
        let node = Node::start().unwrap();
        let (runtime, fates) = (node.runtime(), &node.runtime().control.fates);
        let [id, one, two] = [7, 8, 9].map(|id| NodeId::new(id).unwrap());
        let _open = Open::new(runtime, id);
        let asks = |by| fates.ask(runtime, by, at(id, 5), Box::new(|_, _| ()));
        assert_eq!(asks(two), Ok(()));
        (0..MAX_AWAITED_ENDS_PER_NODE).for_each(|_| asks(one).unwrap());
        assert!(asks(one).is_err_and(|refused| refused.contains("fates are awaited by one node")));
        assert_eq!(asks(two), Ok(()), "another's");
        fates.forget(one);
        assert_eq!(fates.0.lock().lives[&id].waiting.len(), 2);
        assert_eq!(asks(one), Ok(()));
    }
}
