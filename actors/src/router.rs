//! Where each kind of frame goes. One of the two places that know all parts.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use callboard_core::{Header, Kind, Slot};

use crate::actor;
use crate::call;
use crate::cell::{Incoming, Violation};
use crate::control::{self, Control};
use crate::parcel::Parcel;
use crate::peer::Peer;
use crate::runtime::Runtime;

/// Handles one whole message; an error closes the connection it came on.
pub(crate) fn route(
    runtime: &Arc<Runtime>,
    from: &Arc<Peer>,
    header: &Header,
    body: &[u8],
    rights: Vec<OwnedFd>,
) -> Result<(), Violation> {
    match header.kind {
        Kind::Cast | Kind::Call | Kind::Items => {
            let incoming =
                Incoming { kind: header.kind, flags: header.flags, word: header.word, body, rights };
            to_cell(runtime, from, header.slot, incoming)
        }
        Kind::Reply => {
            let answer = || Parcel::from((body.to_vec(), rights.into()));
            runtime.replied(from.id, header.word, header.flags, answer);
            Ok(())
        }
        Kind::Doorbell => {
            from.flush(runtime);
            Ok(())
        }
        Kind::Refuse => {
            Err(format!("the other side closed the connection: {}", String::from_utf8_lossy(body)))
        }
        Kind::Hello => Err("a second hello on one connection".to_owned()),
    }
}

fn to_cell(
    runtime: &Arc<Runtime>,
    from: &Arc<Peer>,
    slot: Slot,
    incoming: Incoming<'_>,
) -> Result<(), Violation> {
    if let Some(cell) = runtime.cell(slot) {
        return cell.receive(runtime, from, incoming);
    }
    // A stale address reaches nobody; whoever holds it is told.
    if incoming.kind == Kind::Items && incoming.flags.contains(actor::HEADED) {
        actor::refuse(runtime, incoming.body);
        control::cast(runtime, from, &Control::Gone { slot });
    } else if incoming.kind == Kind::Call {
        call::reply_gone(runtime, from, incoming.word);
    } else {
        control::cast(runtime, from, &Control::Gone { slot });
    }
    Ok(())
}
