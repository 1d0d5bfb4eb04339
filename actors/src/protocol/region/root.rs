//! Where regions are made: a cell of the root at the well-known slot [`REGIONS`].

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{Kind, NodeId, Slot, decode};
use callboard_ipc::{Region as Memory, random_u64};

use super::error::RegionError;
use super::handle::Region;
use super::owner::RegionOwner;
use super::wire::{Ask, Made, Make, ToRoot};
use crate::call::{self, CallError, answered};
use crate::cell::{Cell, Incoming, Violation};
use crate::names::Object;
use crate::parcel::Parcel;
use crate::peer::{Peer, encoded};
use crate::protocol::object::{Handle, ObjectCell};
use crate::registry::{self, Entry, MAX_NAME_BYTES};
use crate::runtime::Runtime;
use crate::scope;

/// Where the root makes regions.
pub(crate) const REGIONS: Slot = Slot { index: 2, generation: 1 };

/// How long the root is waited for, which answers at once unless it is stopped.
const MADE_WITHIN: Duration = Duration::from_secs(60);

/// Makes regions for all nodes of the job.
pub(crate) struct RegionsCell;

impl Cell for RegionsCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        let message = scope::enter_with(runtime, incoming.rights, || decode(incoming.body));
        match message.map_err(|error| format!("a message about regions: {error}"))? {
            ToRoot::Make(make) if incoming.kind == Kind::Call => {
                let made = make_here(runtime, Some(from), make)?;
                call::reply(runtime, from, incoming.word, &made);
            }
            ToRoot::Unmake { key } if incoming.kind == Kind::Cast => unmake_here(runtime, from.id, key),
            ToRoot::Make(_) | ToRoot::Unmake { .. } => {
                return Err("a message about regions of the wrong kind".to_owned());
            }
        }
        Ok(())
    }
}

/// Makes a region for a node; for the root itself if there is none.
fn make_here(runtime: &Arc<Runtime>, by: Option<&Arc<Peer>>, make: Make) -> Result<Made, Violation> {
    let [memory] = make.memory.rights.as_slice() else {
        return Err(format!("{} descriptors for the memory of a region", make.memory.rights.len()));
    };
    let size = usize::try_from(make.size_bytes).map_err(|_| "a region of an impossible size".to_owned())?;
    Memory::check(memory.as_fd(), size).map_err(|error| format!("memory for a region: {error}"))?;
    let name = make.name.clone();
    if let Some(long) = name.as_ref().filter(|name| name.len() > MAX_NAME_BYTES) {
        return Err(format!("a name of {} bytes for a region", long.len()));
    }
    let creator = by.map_or(runtime.id, |peer| peer.id);
    let handle = Handle::create(runtime, RegionOwner::new(creator, make));
    let entry = Entry { address: handle.address, type_name: Region::type_name() };
    let stands =
        name.and_then(|name| registry::register_here(runtime, runtime.registry().as_deref()?, &name, entry));
    if let Some(stands) = stands {
        handle.discard();
        return Ok(Made::Stands(stands));
    }
    if let Some(peer) = by {
        peer.interests(handle.address.slot);
        if peer.has_ended()
            && let Some(cell) = runtime.cell(handle.address.slot)
        {
            cell.peer_ended(runtime, peer.id);
        }
    }
    Ok(Made::At(handle.address))
}

/// Its creator does not want the region with that key, if it was made.
fn unmake_here(runtime: &Arc<Runtime>, by: NodeId, key: u64) {
    for cell in runtime.all_cells() {
        if let Ok(region) = cell.into_any().downcast::<ObjectCell<RegionOwner>>() {
            region.tell_here(runtime, Ask::Close { by, key: Some(key) });
        }
    }
}

/// Has the root make a region, of memory that is reserved here.
pub(super) fn make(
    runtime: &Arc<Runtime>,
    size_bytes: usize,
    name: Option<&str>,
) -> Result<Made, RegionError> {
    let memory = Parcel { rights: vec![Memory::reserve(size_bytes)?].into(), ..Parcel::default() };
    let key = random_u64();
    let make = Make { size_bytes: size_bytes as u64, memory, name: name.map(str::to_owned), key };
    let Some(root) = runtime.peer(runtime.root) else {
        if runtime.registry().is_none() {
            return Err(RegionError::Disconnected);
        }
        return Ok(make_here(runtime, None, make).expect("memory that was reserved just above"));
    };
    let pending = runtime.call_pending(&root, REGIONS, &ToRoot::Make(make));
    let answer = pending.wait(Instant::now().checked_add(MADE_WITHIN));
    if matches!(answer, Err(CallError::TimedOut)) {
        // The root comes to both when it goes on, in this order.
        root.cast(runtime, REGIONS, &encoded(&ToRoot::Unmake { key }));
        root.flush_by_need(runtime);
    }
    Ok(answered(answer?, runtime)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::Node;

    fn of(size_bytes: u64, rights: Vec<OwnedFd>) -> Make {
        let memory = Parcel { rights: rights.into(), ..Parcel::default() };
        Make { size_bytes, memory, name: Some("/foreign".to_owned()), key: 7 }
    }

    #[test]
    fn what_is_no_memory_of_that_size_is_refused() {
        let node = Node::start().unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let memory = || Memory::reserve(100).unwrap();
        for (make, text) in [
            (of(100, vec![]), "0 descriptors"),
            (of(100, vec![memory(), memory()]), "2 descriptors"),
            (of(100, vec![pipe.into()]), "something else than shared memory"),
            (of(100, vec![file.into()]), "memory for a region"),
            (of(99, vec![memory()]), "100 bytes where 99 were expected"),
            (of(1 << 40, vec![memory()]), "100 bytes where 1099511627776 were expected"),
            (of(0, vec![memory()]), "0 bytes"),
            (of(u64::MAX, vec![memory()]), "18446744073709551615 bytes"),
            (Make { name: Some("n".repeat(256)), ..of(100, vec![memory()]) }, "a name of 256 bytes"),
        ] {
            let refused = make_here(node.runtime(), None, make).unwrap_err();
            assert!(refused.contains(text), "{refused}");
            assert!(node.open::<Region>("/foreign").is_err());
        }
        assert!(make_here(node.runtime(), None, of(100, vec![memory()])).is_ok());
        assert_eq!(node.open::<Region>("/foreign").unwrap().size_bytes(), Ok(100));
    }

    #[test]
    fn a_region_of_which_its_creator_has_not_heard_is_undone() {
        let node = Node::start().unwrap();
        let memory = Memory::reserve(100).unwrap();
        assert!(make_here(node.runtime(), None, of(100, vec![memory])).is_ok());
        let region: Region = node.open("/foreign").unwrap();
        unmake_here(node.runtime(), node.id(), 8);
        assert_eq!(region.holders(), Ok(1));
        unmake_here(node.runtime(), node.id(), 7);
        assert_eq!(region.holders(), Err(RegionError::Gone));
        assert!(node.open::<Region>("/foreign").is_err());
    }
}
