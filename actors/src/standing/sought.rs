//! What a thread waits for, as numbers: at hand for every wait, noted for those that sleep, put into words for few.

use callboard_core::{Address, NodeId, Slot};

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    /// What about it, as it reads before the thing: "an item from".
    pub(crate) part: &'static str,
    /// What sort of thing it is: "queue".
    pub(crate) kind: &'static str,
    pub(crate) of: Of,
    /// Whoever waits has nothing to do until then, as it should be: no reason to warn.
    pub(crate) is_idle: bool,
}

/// Which one it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// The words say it all.
    Nothing,
    /// An object or an actor, somewhere.
    Object(Address),
    /// What lives in that slot of this node, and of that the part with the number, if it has parts.
    Here(Slot, Option<Slot>),
    /// Another node.
    Node(NodeId),
    /// Another process, of which nothing else is known.
    Process(Option<u32>),
    /// A descriptor of this process.
    Descriptor(i32),
    /// So many things.
    Any(usize),
}

impl Sought {
    pub(crate) const fn plain(what: &'static str) -> Self {
        Self { part: what, kind: "", of: Of::Nothing, is_idle: false }
    }

    pub(crate) const fn object(part: &'static str, kind: &'static str, address: Address) -> Self {
        Self { part, kind, of: Of::Object(address), is_idle: false }
    }

    pub(crate) const fn here(part: &'static str, kind: &'static str, slot: Slot) -> Self {
        Self { part, kind, of: Of::Here(slot, None), is_idle: false }
    }

    /// A part of what lives in that slot.
    pub(crate) const fn part_of(part: &'static str, kind: &'static str, slot: Slot, number: Slot) -> Self {
        Self { part, kind, of: Of::Here(slot, Some(number)), is_idle: false }
    }

    pub(crate) const fn node(part: &'static str, node: NodeId) -> Self {
        Self { part, kind: "node", of: Of::Node(node), is_idle: false }
    }

    pub(crate) const fn process(part: &'static str, kind: &'static str, pid: Option<u32>) -> Self {
        Self { part, kind, of: Of::Process(pid), is_idle: false }
    }

    pub(crate) const fn descriptor(part: &'static str, number: i32) -> Self {
        Self { part, kind: "descriptor", of: Of::Descriptor(number), is_idle: false }
    }

    pub(crate) const fn any(count: usize) -> Self {
        Self { part: "any of", kind: "things", of: Of::Any(count), is_idle: false }
    }

    /// The same, for one who waits since there is nothing to do.
    pub(crate) const fn idle(self) -> Self {
        Self { is_idle: true, ..self }
    }
}
