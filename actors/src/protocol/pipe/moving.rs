//! How an end leaves its process: it stands still while its message is encoded, then departs with it or stays.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use super::end::End;
use crate::scope::MoveOnly;

impl MoveOnly for End {
    fn stand_still(&self) -> Option<usize> {
        // Nobody is in the middle of a send or a receive.
        let (_out, _inn, socket) = (self.out.lock(), self.inn.lock(), self.socket.lock());
        if socket.0.is_none() || socket.1.is_spoilt || self.stands_still.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(2 + socket.1.rights.len())
    }

    fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let socket = self.socket.lock();
        let Some(raw) = &socket.0 else { return Ok(Vec::new()) };
        let own = raw.copies()?;
        let heard = socket.1.rights.iter().map(OwnedFd::try_clone);
        own.into_iter().map(Ok).chain(heard).collect()
    }

    fn depart(&self) {
        drop(self.take_out());
    }

    fn stay(&self) {
        self.stands_still.store(false, Ordering::Release);
        if self.is_orphan.swap(false, Ordering::AcqRel) {
            return self.close();
        }
        // What came meanwhile was not heard.
        self.hear();
        self.wake_all();
    }
}
