//! The short way of nearly all messages: content that fits into the ring, no descriptors, room or a message there.
//!
//! Whatever is otherwise is said by false, and then the long way in `end.rs` finds out what it is and says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::end::End;
use super::wire::{Form, Head, MAX_INLINE_BYTES};

impl End {
    /// Sends a message that takes nothing along; false if it has not left.
    #[inline]
    pub(super) fn send_short(self: &Arc<Self>, content: &[u8], form: Form) -> bool {
        if content.len() > MAX_INLINE_BYTES || !self.is_attached() {
            return false;
        }
        let out = self.out.lock();
        let Some(raw) = out.as_deref() else { return false };
        let rings = raw.rings();
        if self.stands_still() || self.has_ended.load(Ordering::Acquire) || rings.reader_has_closed() {
            return false;
        }
        let Some(waits) = rings.publish_short(Head::short(content.len(), form), content) else {
            return false;
        };
        if waits {
            raw.ring_bell();
        }
        true
    }

    /// Takes the content of the next message into `into`, which is empty, if it came alone and is of this form and no longer than
    /// `room`; false if nothing was taken.
    #[inline]
    pub(super) fn take_short(self: &Arc<Self>, form: Form, room: usize, into: &mut Vec<u8>) -> bool {
        if !self.is_attached() {
            return false;
        }
        let inn = self.inn.lock();
        let Some(raw) = inn.as_deref() else { return false };
        if self.stands_still() {
            return false;
        }
        let rings = raw.rings();
        let len = rings.first_word().and_then(|word| Head::short_len(word, form));
        let Some(len) = len.filter(|len| *len <= room) else { return false };
        let Some(waits) = rings.take_short(len, into) else { return false };
        if waits {
            raw.ring_bell();
        }
        true
    }
}
