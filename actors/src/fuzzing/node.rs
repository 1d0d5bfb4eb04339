//! A whole node as its peers meet it, without any of them: frames of any kind for any of its cells, and the peers' ends.

use std::sync::Arc;

use callboard_core::{EventLoop, Flags, Header, Kind, Slot};
use callboard_ipc::poller;

use super::{Draw, encoded, node};
use crate::control::{CONTROL, Control};
use crate::peer::Peer;
use crate::protocol::barrier::{options::BarrierOptions, owner::BarrierOwner};
use crate::protocol::dict::owner::DictOwner;
use crate::protocol::event::{options::EventOptions, owner::EventOwner};
use crate::protocol::object::{Envelope, Handle, Owner};
use crate::protocol::queue;
use crate::registry::REGISTRY;
use crate::router;
use crate::runtime::{Ending, Identity, Runtime};

const PEERS: usize = 3;

pub(super) fn run(input: &[u8]) {
    let runtime = runtime();
    let mut draw = Draw::new(input);
    let cells = Cells::new(&runtime, &mut draw);
    while !draw.is_over() {
        let at = draw.below(PEERS);
        let peer = runtime.new_peer(node(at + 1));
        let heard =
            if draw.below(24) == 0 { Err(String::new()) } else { frame(&runtime, &peer, &cells, &mut draw) };
        if heard.is_err() {
            // As if it had closed, which is told to nobody on standard error.
            runtime.peer_ended(&peer, &Ending::Closed);
        }
        // What would be written, if somebody read it.
        runtime.peers().iter().for_each(|peer| peer.with_outbox(|outbox| _ = outbox.begin().map(drop)));
        cells.queue.check();
    }
    for at in 0..PEERS {
        runtime.peer_ended(&runtime.new_peer(node(at + 1)), &Ending::Closed);
    }
    cells.queue.check();
    assert_eq!(cells.queue.clients(), 0, "somebody who has ended is a client still");
    cells.event.is_left_alone();
    cells.barrier.is_left_alone();
    cells.dict.is_left_alone();
}

/// The root of a job, which nobody runs.
pub(crate) fn runtime() -> Arc<Runtime> {
    let (poll, shared) = poller::open_poll().expect("descriptors are left");
    let event_loop = EventLoop::new(poll).expect("descriptors are left");
    let id = node(0);
    let who = Identity { id, root: id, parent: None, name: "root".to_owned(), parent_pid: None, sole: false };
    Runtime::new(who, &event_loop, shared).expect("descriptors are left")
}

struct Cells {
    event: Handle<EventOwner>,
    barrier: Handle<BarrierOwner>,
    dict: Handle<DictOwner>,
    queue: queue::Fuzzed,
}

impl Cells {
    fn new(runtime: &Arc<Runtime>, draw: &mut Draw<'_>) -> Self {
        let parties = BarrierOptions::new(draw.below(3) + 1);
        Self {
            event: Handle::create(runtime, EventOwner::new(EventOptions::new())),
            barrier: Handle::create(
                runtime,
                BarrierOwner::new(parties.unwrap_or_else(|_| unreachable!("at least one"))),
            ),
            dict: Handle::create(runtime, DictOwner::new(super::objects::dict())),
            queue: queue::Fuzzed::new(runtime, &runtime.new_peer(node(1))),
        }
    }
}

/// One message of `from`.
fn frame(runtime: &Arc<Runtime>, from: &Arc<Peer>, cells: &Cells, draw: &mut Draw<'_>) -> Result<(), String> {
    let kinds = [Kind::Cast, Kind::Call, Kind::Call, Kind::Items, Kind::Reply, Kind::Doorbell];
    let mut kind = kinds[draw.below(kinds.len())];
    let flags =
        [Flags::NONE, Flags::NONE, Flags::TAGGED, Flags::MARKED, Flags::TAGGED_AND_MARKED, Flags::FAILED]
            [draw.below(6)];
    let mut word = draw.number();
    let (slot, body) = match draw.below(16) {
        0 | 1 => (cells.event.address.slot, object::<EventOwner>(draw)),
        2..5 => (cells.barrier.address.slot, object::<BarrierOwner>(draw)),
        5..8 => (cells.dict.address.slot, object::<DictOwner>(draw)),
        8..11 => {
            word = queue::a_word(draw);
            (cells.queue.owner, cells.queue.to_owner(kind, draw))
        }
        11 => (cells.queue.client, cells.queue.to_client(kind, draw)),
        12 => (CONTROL, control(draw)),
        13 => {
            let ask = draw.value::<crate::registry::Ask>().map(|ask| encoded(&ask));
            kind = if draw.flag() { Kind::Call } else { kind };
            (REGISTRY, ask.unwrap_or_default())
        }
        14 => (Slot { index: draw.below(8) as u32, generation: 1 }, draw.some_bytes().to_vec()),
        _ => (draw.value().unwrap_or_default(), draw.strings()),
    };
    let header = Header { length: body.len() as u32, kind, flags, descriptors: 0, slot, word };
    router::route(runtime, from, &header, &body, Vec::new())
}

/// A message to an object.
fn object<O: Owner>(draw: &mut Draw<'_>) -> Vec<u8> {
    match draw.below(8) {
        0 => draw.strings(),
        _ => draw.value::<Envelope<O::Ask>>().map(|envelope| encoded(&envelope)).unwrap_or_default(),
    }
}

/// One that starts nothing and makes nobody meet.
fn control(draw: &mut Draw<'_>) -> Vec<u8> {
    match draw.value::<Control>() {
        Some(Control::Adopt { .. }) | None => Vec::new(),
        Some(message) => encoded(&message),
    }
}

#[cfg(test)]
mod limits;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::wire::Ask;

    pub(super) fn send(
        runtime: &Arc<Runtime>,
        from: usize,
        slot: Slot,
        kind: Kind,
        word: u64,
        body: &[u8],
    ) -> Result<(), String> {
        let header =
            Header { length: body.len() as u32, kind, flags: Flags::NONE, descriptors: 0, slot, word };
        router::route(runtime, &runtime.new_peer(node(from)), &header, body, Vec::new())
    }

    #[test]
    fn a_number_of_a_call_used_twice_keeps_nobody_else_from_an_answer() {
        let runtime = runtime();
        let cells = Cells::new(&runtime, &mut Draw::new(&[]));
        let slot = cells.event.address.slot;
        let ask = |ask| encoded(&Envelope::Ask(ask));
        assert_eq!(send(&runtime, 1, slot, Kind::Call, 7, &ask(Ask::Wait)), Ok(()));
        assert_eq!(send(&runtime, 2, slot, Kind::Call, 7, &ask(Ask::Wait)), Ok(()));
        let told = |at: usize| runtime.new_peer(node(at)).unsent_bytes() > 0;
        let twice = send(&runtime, 2, slot, Kind::Call, 7, &ask(Ask::Set));
        assert!(twice.unwrap_err().contains("second call with the number"));
        // What came of it has not happened: nobody waits for an event that was set.
        assert!(!told(1));
        runtime.peer_ended(&runtime.new_peer(node(2)), &Ending::Closed);
        assert_eq!(send(&runtime, 3, slot, Kind::Call, 1, &ask(Ask::Set)), Ok(()));
        assert!(told(1) && told(3));
        cells.event.is_left_alone();
    }

    #[test]
    fn a_node_has_no_more_clients_of_a_queue_than_it_may_have() {
        let runtime = runtime();
        let cells = Cells::new(&runtime, &mut Draw::new(&[]));
        let slot = cells.queue.owner;
        let put = |from: usize, client: u64| {
            let mut items = Vec::new();
            callboard_core::push_bytes(&mut items, b"item");
            let header = Header {
                length: items.len() as u32,
                kind: Kind::Items,
                flags: Flags::TAGGED,
                descriptors: 0,
                slot,
                word: 1 << 32 | client,
            };
            router::route(&runtime, &runtime.new_peer(node(from)), &header, &items, Vec::new())
        };
        let first = (1..1_000).find(|client| put(2, *client).is_err());
        assert!(first.is_some_and(|first| cells.queue.clients() as u64 == first), "{first:?}");
        assert_eq!(put(1, 1), Ok(()));
        runtime.peer_ended(&runtime.new_peer(node(2)), &Ending::Closed);
        assert_eq!(cells.queue.clients(), 1);
    }

    #[test]
    fn what_a_client_says_after_its_farewell_leaves_nothing_behind() {
        let runtime = runtime();
        let cells = Cells::new(&runtime, &mut Draw::new(&[]));
        let took = cells.queue.after_a_farewell();
        assert_eq!(send(&runtime, 2, cells.queue.owner, Kind::Cast, 0, &took), Ok(()));
        assert_eq!(cells.queue.clients(), 0);
    }
}
