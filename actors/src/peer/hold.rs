//! This node's word to another that it may have something of that node's shared memory in hand: a pipe that is open as long.
//!
//! The other node has the reading end, and sees its end when the last who keeps the writing one has let go, or when this process is killed, whatever has become of the
//! connection. So it knows a process that has died from one whose node has ended, or whose connection broke, while a thread still has a guard.
//! The peer keeps it until its end; so does every object of that node's to which there is a handle here ([`Attached`](crate::protocol::shared::Attached)).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use callboard_core::Kind;
use callboard_ipc::LifeLine;
use parking_lot::Mutex;

use super::{Peer, encoded, header};
use crate::control::{CONTROL, Control};
use crate::runtime::Runtime;

/// None before anything of that node's is used, and when the peer has ended.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<Arc<OwnedFd>>>);

impl Peer {
    /// What is to be kept as long as something of that node's memory may be in hand. The node knows of it before all that is sent after this.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out; `NotConnected` if the peer has ended.
    pub(crate) fn hold(&self, runtime: &Runtime) -> io::Result<Arc<OwnedFd>> {
        let mut hold = self.hold.0.lock();
        if self.has_ended() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if let Some(held) = &*hold {
            return Ok(Arc::clone(held));
        }
        let LifeLine { held, given } = LifeLine::open()?;
        self.post(runtime, header(Kind::Cast, CONTROL, 0), &encoded(&Control::Holds), vec![given]);
        Ok(Arc::clone(hold.insert(Arc::new(held))))
    }

    /// After the end, when whoever uses that node's memory has been cut off from it.
    pub(crate) fn let_go(&self) {
        let held = self.hold.0.lock().take();
        drop(held);
    }
}
