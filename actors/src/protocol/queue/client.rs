//! One client of a queue: this node in the eyes of the owner, as a producer and as a consumer.
//!
//! A node has one for puts and plain gets, and a second one for leases if it takes any, since a client's items are
//! counted as taken in the order delivered, whatever their terms.

use std::sync::{Arc, Weak};

use callboard_core::{Address, Kind, NodeId, decode};

use super::consumer::Consumer;
use super::inbox::Form;
use super::line::Line;
use super::owner::ClientId;
use super::producer::Producer;
use super::wire::ToClient;
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::Hook;
use crate::peer::Peer;
use crate::runtime::Runtime;

pub(super) struct Client {
    me: Weak<Client>,
    /// Where the owner finds it.
    pub(super) id: ClientId,
    /// The owner.
    pub(super) queue: Address,
    pub(super) line: Line,
    pub(super) producer: Producer,
    pub(super) consumer: Consumer,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} of queue {})", self.id, self.queue)
    }
}

impl Client {
    /// A client of the queue at `queue`, with a slot of its own on this node.
    pub(super) fn new(
        runtime: &Arc<Runtime>,
        queue: Address,
        line: Line,
        form: Form,
        prefetches: bool,
    ) -> Arc<Self> {
        let client = runtime.add_cell(|slot| {
            Arc::new_cyclic(|me| Self {
                me: Weak::clone(me),
                id: Address { node: runtime.id, slot },
                queue,
                line: line.clone(),
                producer: Producer::default(),
                consumer: Consumer::new(form, prefetches),
            })
        });
        match &client.line {
            Line::There { peer, .. } => {
                peer.interests(client.id.slot);
                // The end may have come between the look-up of the peer and the line above.
                if peer.has_ended() {
                    client.cut_off();
                }
            }
            Line::Cut => client.cut_off(),
            Line::Here(_) if runtime.has_ended() => client.cut_off(),
            Line::Here(_) => {}
        }
        client
    }

    /// The owner has ended, or its node: nobody waits for it any longer.
    pub(super) fn cut_off(&self) {
        let mut after = After::default();
        self.producer.cut_off(&self.line, &mut after.woken);
        self.consumer.cut_off(&mut after.woken);
        after.wake();
    }

    /// Handles what the owner said; what follows from it goes to `after`.
    pub(super) fn told(&self, message: ToClient, after: &mut After) {
        match message {
            ToClient::Grant(credit) => self.producer.granted(&self.line, credit),
            ToClient::Revoke => after.surrendering.extend(self.me.upgrade()),
            ToClient::Recall => after.recalled.extend(self.me.upgrade()),
            ToClient::Closed => {
                self.producer.closed(&mut after.woken);
                after.surrendering.extend(self.me.upgrade());
            }
            ToClient::Admitted { below } => self.producer.admitted(below, &mut after.woken),
            ToClient::Refused(refusal) => self.producer.refused(refusal, &mut after.woken),
            ToClient::Ended => self.consumer.ended(&mut after.woken),
            ToClient::Joined { token } => self.consumer.joined(token, &mut after.woken),
        }
    }

    /// Tells the owner that this client is no more. What it had prefetched goes back.
    pub(super) fn detach(self: &Arc<Self>, runtime: &Arc<Runtime>) {
        let this = Arc::clone(self);
        self.line.detach(runtime, self, move |runtime| {
            this.consumer.release_counter(&this.line);
            runtime.remove_cell(this.id.slot);
        });
    }
}

/// What follows from messages to clients, once no cell is locked.
#[derive(Default)]
pub(super) struct After {
    pub(super) woken: Vec<Hook>,
    /// Clients that are to give their credit back.
    surrendering: Vec<Arc<Client>>,
    /// Clients that are to give back what they have not taken.
    recalled: Vec<Arc<Client>>,
    /// Peers that wait for what was appended for them; noted only where nobody else is about to write.
    pub(super) waiting: Option<Vec<Arc<Peer>>>,
}

impl After {
    /// For a thread that may not come to write for long: what peers wait for is written at once.
    pub(super) fn by_need() -> Self {
        Self { waiting: Some(Vec::new()), ..Self::default() }
    }

    /// Something was appended for `peer`.
    pub(super) fn appended(&mut self, peer: &Arc<Peer>) {
        if let Some(waiting) = &mut self.waiting
            && peer.needs_flush()
        {
            waiting.push(Arc::clone(peer));
        }
    }

    /// Does all that, once.
    #[inline]
    pub(super) fn run(&mut self, runtime: &Arc<Runtime>) {
        // As after nearly every item.
        let is_nothing = self.waiting.as_ref().is_none_or(Vec::is_empty)
            && self.surrendering.is_empty()
            && self.recalled.is_empty()
            && self.woken.is_empty();
        if !is_nothing {
            self.run_some(runtime);
        }
    }

    fn run_some(&mut self, runtime: &Arc<Runtime>) {
        for peer in self.waiting.iter_mut().flat_map(std::mem::take) {
            peer.flush(runtime);
        }
        for client in std::mem::take(&mut self.surrendering) {
            client.producer.surrender(runtime, &client);
        }
        for client in std::mem::take(&mut self.recalled) {
            client.recall(runtime);
        }
        self.wake();
    }

    fn wake(&mut self) {
        for hook in std::mem::take(&mut self.woken) {
            hook.notify();
        }
    }
}

impl Cell for Client {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if from.id != self.queue.node {
            return Err("a message to a queue's client from another than its owner".to_owned());
        }
        let mut after = After::default();
        if incoming.kind == Kind::Items {
            let rights = incoming.rights.into();
            let received = self.consumer.received(incoming.body, rights, &mut after.woken);
            received.map_err(|error| format!("a delivery of a queue: {error}"))?;
        } else {
            let message: ToClient =
                decode(incoming.body).map_err(|error| format!("a message to a queue's client: {error}"))?;
            self.told(message, &mut after);
        }
        after.run(runtime);
        Ok(())
    }

    fn peer_ended(&self, _runtime: &Arc<Runtime>, _peer: NodeId) {
        self.cut_off();
    }

    fn node_ended(&self) {
        self.cut_off();
    }
}
