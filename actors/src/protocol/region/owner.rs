//! The machine of a region: who has it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use callboard_core::NodeId;

use super::wire::{Ask, Make, Reply};
use crate::fault::fault;
use crate::parcel::Parcel;
use crate::protocol::object::{Asker, Effects, Owner};

/// How often one node may have a region mapped at a time. A process may have some 65,000 mappings in all.
pub(super) const MAX_MAPPINGS: usize = 4_096;

#[derive(Debug)]
pub(crate) struct RegionOwner {
    size_bytes: u64,
    /// Its descriptor; none once nobody has it.
    memory: Option<Parcel>,
    name: Option<String>,
    key: u64,
    /// The node that created it, as long as it needs it.
    creator: Option<NodeId>,
    mapped: BTreeMap<Asker, NodeId>,
}

impl RegionOwner {
    pub(super) fn new(creator: NodeId, make: Make) -> Self {
        let Make { size_bytes, memory, name, key } = make;
        Self { size_bytes, memory: Some(memory), name, key, creator: Some(creator), mapped: BTreeMap::new() }
    }

    fn holders(&self) -> u64 {
        let nodes: BTreeSet<NodeId> = self.mapped.values().copied().chain(self.creator).collect();
        nodes.len() as u64
    }

    /// Ends it if nobody has it.
    fn look_for_holders(&mut self, effects: &mut Effects<Reply>) {
        if self.creator.is_some() || !self.mapped.is_empty() || self.memory.is_none() {
            return;
        }
        self.memory = None;
        if let Some(name) = self.name.take() {
            effects.free(name);
        }
        effects.end();
    }

    fn hold(&mut self, asker: Asker, by: NodeId) -> Option<Reply> {
        if self.mapped.values().filter(|node| **node == by).count() >= MAX_MAPPINGS {
            return Some(Reply::TooMany);
        }
        self.mapped.insert(asker, by);
        None
    }

    fn close(&mut self, by: NodeId, key: Option<u64>, effects: &mut Effects<Reply>) -> Reply {
        if self.creator == Some(by) && key.is_none_or(|key| key == self.key) {
            self.creator = None;
            self.look_for_holders(effects);
        }
        Reply::Done
    }

    fn unlink(&mut self, effects: &mut Effects<Reply>) -> Reply {
        let Some(name) = self.name.take() else { return Reply::NoName };
        effects.free(name);
        Reply::Done
    }
}

impl Owner for RegionOwner {
    const KIND: &'static str = "region";

    type Ask = Ask;
    type Reply = Reply;

    fn handle(&mut self, asker: Asker, ask: Ask, _: Instant, effects: &mut Effects<Reply>) {
        // Handles at the root find it also when its slot is free.
        let Some(memory) = &self.memory else { return effects.reply(asker, Reply::Gone) };
        let reply = match ask {
            Ask::Look => Some(Reply::Is { size_bytes: self.size_bytes, holders: self.holders() }),
            Ask::Memory => Some(Reply::Memory { size_bytes: self.size_bytes, memory: memory.clone() }),
            Ask::Hold { by } => self.hold(asker, by),
            Ask::Close { by, key } => Some(self.close(by, key, effects)),
            Ask::Unlink => Some(self.unlink(effects)),
        };
        if let Some(reply) = reply {
            effects.reply(asker, reply);
        }
    }

    fn forget(&mut self, asker: Asker, effects: &mut Effects<Reply>) {
        fault!(HolderNotForgotten, return);
        if self.mapped.remove(&asker).is_some() {
            self.look_for_holders(effects);
        }
    }

    fn node_ended(&mut self, node: NodeId, effects: &mut Effects<Reply>) {
        self.close(node, None, effects);
    }
}

#[cfg(any(test, fuzzing))]
impl RegionOwner {
    /// One without memory, which nobody is to look into.
    pub(super) fn without_memory(creator: NodeId) -> Self {
        Self::new(
            creator,
            Make { size_bytes: 8, memory: Parcel::default(), name: Some("/r".to_owned()), key: 3 },
        )
    }

    /// Whoever waits has it mapped, and nobody else. Without anybody it has ended.
    pub(super) fn check(&self, waiting: &mut dyn Iterator<Item = Asker>) {
        assert!(self.mapped.keys().copied().eq(waiting));
        assert_eq!(self.memory.is_none(), self.creator.is_none() && self.mapped.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 100;

    fn node(id: u64) -> NodeId {
        NodeId::new(id).unwrap()
    }

    fn region() -> RegionOwner {
        let name = Some("/region".to_owned());
        RegionOwner::new(node(1), Make { size_bytes: SIZE, memory: Parcel::default(), name, key: 7 })
    }

    fn ask(owner: &mut RegionOwner, asker: u64, ask: Ask) -> (Option<Reply>, Effects<Reply>) {
        let mut effects = Effects::default();
        owner.handle(Asker(asker), ask, Instant::now(), &mut effects);
        assert!(effects.replies.iter().all(|(to, _)| *to == Asker(asker)));
        (effects.replies.pop().map(|(_, reply)| reply), effects)
    }

    fn holders(owner: &mut RegionOwner) -> u64 {
        match ask(owner, 0, Ask::Look).0 {
            Some(Reply::Is { size_bytes: SIZE, holders }) => holders,
            Some(Reply::Gone) => 0,
            other => panic!("{other:?}"),
        }
    }

    fn forget(owner: &mut RegionOwner, asker: u64) -> Effects<Reply> {
        let mut effects = Effects::default();
        owner.forget(Asker(asker), &mut effects);
        effects
    }

    #[test]
    fn it_lives_until_its_creator_and_all_who_have_mapped_it_have_left_it() {
        let mut owner = region();
        assert_eq!(holders(&mut owner), 1);
        for (asker, by) in [(1, 1), (2, 2), (3, 2)] {
            assert_eq!(ask(&mut owner, asker, Ask::Hold { by: node(by) }).0, None);
        }
        assert_eq!(holders(&mut owner), 2);
        // Others can't close it.
        assert_eq!(ask(&mut owner, 4, Ask::Close { by: node(2), key: None }).0, Some(Reply::Done));
        let mut effects = Effects::default();
        owner.node_ended(node(1), &mut effects);
        assert!(!effects.is_over && !forget(&mut owner, 1).is_over && !forget(&mut owner, 2).is_over);
        assert_eq!(holders(&mut owner), 1);
        assert!(matches!(ask(&mut owner, 5, Ask::Memory).0, Some(Reply::Memory { .. })));
        let last = forget(&mut owner, 3);
        assert!(last.is_over && last.frees.as_deref() == Some("/region"));
        assert_eq!(holders(&mut owner), 0);
        for gone in
            [Ask::Memory, Ask::Hold { by: node(1) }, Ask::Unlink, Ask::Close { by: node(1), key: None }]
        {
            let (reply, effects) = ask(&mut owner, 6, gone);
            assert!(reply == Some(Reply::Gone) && !effects.is_over && effects.frees.is_none());
        }
    }

    #[test]
    fn its_name_is_taken_away_once() {
        let mut owner = region();
        let (reply, effects) = ask(&mut owner, 1, Ask::Unlink);
        assert!(reply == Some(Reply::Done) && effects.frees.is_some() && !effects.is_over);
        let (reply, effects) = ask(&mut owner, 2, Ask::Unlink);
        assert!(reply == Some(Reply::NoName) && effects.frees.is_none());
        let (_, effects) = ask(&mut owner, 3, Ask::Close { by: node(1), key: None });
        assert!(effects.is_over && effects.frees.is_none());
    }

    #[test]
    fn a_creator_that_did_not_hear_of_it_undoes_this_one_alone() {
        let mut owner = region();
        for (by, key) in [(1, 8), (2, 7)] {
            assert!(!ask(&mut owner, 1, Ask::Close { by: node(by), key: Some(key) }).1.is_over);
        }
        assert!(ask(&mut owner, 2, Ask::Close { by: node(1), key: Some(7) }).1.is_over);
    }

    #[test]
    fn a_node_may_have_it_mapped_so_often() {
        let mut owner = region();
        for asker in 0..MAX_MAPPINGS as u64 {
            assert_eq!(ask(&mut owner, asker, Ask::Hold { by: node(2) }).0, None);
        }
        let one_more = MAX_MAPPINGS as u64;
        assert_eq!(ask(&mut owner, one_more, Ask::Hold { by: node(2) }).0, Some(Reply::TooMany));
        assert_eq!(ask(&mut owner, one_more + 1, Ask::Hold { by: node(3) }).0, None);
        forget(&mut owner, 0);
        assert_eq!(ask(&mut owner, one_more + 2, Ask::Hold { by: node(2) }).0, None);
    }
}
