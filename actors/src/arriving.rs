//! From a connection's bytes and descriptors to whole messages, each with the descriptors that belong to it.
//!
//! Reads nothing itself: whoever reads fills the [`Decoder`] and appends the descriptors that came. Whatever the other side sends,
//! what waits here stays within limits, descriptors too; the rest is told as what is wrong with it. The descriptors are of any
//! type, so that this can be tried without any.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use callboard_core::{Assembler, Decoder, Header, Kind, Slot, limits::MAX_FRAME_DESCRIPTORS};

/// A message, as long as the rest of it is to come.
type Key = (Kind, Slot, u64);

/// What has been read of one connection and handled by nobody yet.
#[derive(Debug)]
pub(crate) struct Arriving<D> {
    pub(crate) decoder: Decoder,
    assembler: Assembler,
    /// Those that no frame has claimed yet, in the order they came.
    pub(crate) descriptors: VecDeque<D>,
    /// Of messages whose first frame has come and whose last has not.
    early: HashMap<Key, Vec<D>>,
    early_count: usize,
}

impl<D> Default for Arriving<D> {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(),
            assembler: Assembler::new(),
            descriptors: VecDeque::new(),
            early: HashMap::new(),
            early_count: 0,
        }
    }
}

impl<D> Arriving<D> {
    /// Hands every message that has come whole to `handle`, until that breaks off: then what it broke off with.
    ///
    /// # Errors
    ///
    /// What is wrong with what came, as text for the other side. The connection can't be used any more.
    pub(crate) fn handle<R>(
        &mut self,
        mut handle: impl FnMut(&Header, &[u8], Vec<D>) -> ControlFlow<R>,
    ) -> Result<Option<R>, String> {
        let Self { decoder, assembler, descriptors, early, early_count } = self;
        while let Some(frame) = decoder.next().map_err(|error| error.to_string())? {
            let announced = usize::from(frame.header.descriptors);
            if announced > descriptors.len() {
                return Err("a frame announced more descriptors than came with it".to_owned());
            }
            // Claimed at once: frames to others may pass between those of one message, and bring some of their own.
            let mut rights: Vec<D> =
                if announced == 0 { Vec::new() } else { descriptors.drain(..announced).collect() };
            let whole = assembler.accept(frame.header, frame.body).map_err(|error| error.to_string())?;
            let Some(message) = whole else {
                if !rights.is_empty() {
                    *early_count += rights.len();
                    if *early_count > MAX_FRAME_DESCRIPTORS {
                        return Err("too many descriptors of messages that have come in part".to_owned());
                    }
                    early.entry(key(&frame.header)).or_default().append(&mut rights);
                }
                continue;
            };
            if !early.is_empty()
                && let Some(mut before) = early.remove(&key(&message.header))
            {
                *early_count -= before.len();
                before.append(&mut rights);
                rights = before;
            }
            if let ControlFlow::Break(result) = handle(&message.header, message.body, rights) {
                return Ok(Some(result));
            }
        }
        // Descriptors come with the bytes of their own frame, so without the beginning of one they are nobody's.
        let most = if decoder.is_clean() { 0 } else { MAX_FRAME_DESCRIPTORS };
        if descriptors.len() > most {
            return Err("descriptors came that no frame announced".to_owned());
        }
        Ok(None)
    }
}

#[cfg(any(test, fuzzing))]
impl<D> Arriving<D> {
    /// How many descriptors wait for a frame, or for the rest of its message.
    pub(crate) fn waiting_descriptors(&self) -> usize {
        assert_eq!(self.early.values().map(Vec::len).sum::<usize>(), self.early_count);
        self.descriptors.len() + self.early_count
    }
}

fn key(header: &Header) -> Key {
    (header.kind, header.slot, header.word)
}

#[cfg(test)]
mod tests {
    use callboard_core::{Flags, append_message};

    use super::*;

    /// A frame to a slot, with so many bytes and descriptors.
    fn frame(slot: u32, flags: Flags, descriptors: u16) -> Vec<u8> {
        let slot = Slot { index: slot, generation: 1 };
        let header = Header { length: 1, kind: Kind::Call, flags, descriptors, slot, word: 0 };
        [&header.encode()[..], &[7]].concat()
    }

    fn arrive(
        arriving: &mut Arriving<u32>,
        bytes: &[u8],
        descriptors: &[u32],
    ) -> Result<Vec<(u32, Vec<u32>)>, String> {
        arriving.descriptors.extend(descriptors);
        arriving.decoder.spare()[..bytes.len()].copy_from_slice(bytes);
        arriving.decoder.filled(bytes.len());
        let mut seen = Vec::new();
        arriving.handle(|header, _, rights| {
            seen.push((header.slot.index, rights));
            ControlFlow::<()>::Continue(())
        })?;
        Ok(seen)
    }

    /// > Descriptors are their own message's, whatever comes between its frames, and those that no frame announces end the connection.
    #[test]
    fn descriptors_are_their_own_messages_whatever_comes_between() {
        let mut arriving = Arriving::default();
        assert_eq!(arrive(&mut arriving, &frame(1, Flags::MORE, 2), &[10, 11]), Ok(vec![]));
        assert_eq!(arrive(&mut arriving, &frame(2, Flags::NONE, 2), &[20, 21]), Ok(vec![(2, vec![20, 21])]));
        assert_eq!(arrive(&mut arriving, &frame(1, Flags::NONE, 0), &[]), Ok(vec![(1, vec![10, 11])]));
        let few = arrive(&mut arriving, &frame(3, Flags::NONE, 2), &[30]);
        assert!(few.unwrap_err().contains("more descriptors than came"));
        let many = arrive(&mut Arriving::default(), &frame(3, Flags::NONE, 1), &[30, 31]);
        assert!(many.unwrap_err().contains("that no frame announced"));
    }

    #[test]
    fn descriptors_without_frames_are_not_kept_without_end() {
        let mut arriving = Arriving::default();
        let begun = &frame(1, Flags::MORE, 0)[..20];
        assert_eq!(arrive(&mut arriving, begun, &[0; MAX_FRAME_DESCRIPTORS]), Ok(vec![]));
        assert!(arrive(&mut arriving, &[], &[0]).is_err());
        let mut arriving = Arriving::default();
        let most = MAX_FRAME_DESCRIPTORS as u16;
        let rights = [0; MAX_FRAME_DESCRIPTORS];
        assert_eq!(arrive(&mut arriving, &frame(1, Flags::MORE, most), &rights), Ok(vec![]));
        assert!(arrive(&mut arriving, &frame(2, Flags::MORE, 1), &[0]).is_err());
    }

    #[test]
    fn whoever_breaks_off_finds_the_rest_as_it_was() {
        let mut arriving = Arriving::<u32>::default();
        let mut bytes = Vec::new();
        for word in 0..2 {
            let slot = Slot { index: 1, generation: 1 };
            let header =
                Header { length: 0, kind: Kind::Hello, flags: Flags::NONE, descriptors: 1, slot, word };
            append_message(&mut bytes, header, b"hello");
        }
        arriving.descriptors.extend([1, 2]);
        arriving.decoder.spare()[..bytes.len()].copy_from_slice(&bytes);
        arriving.decoder.filled(bytes.len());
        let mut next =
            || arriving.handle(|header, _, rights| ControlFlow::Break((header.word, rights))).unwrap();
        assert_eq!([next(), next(), next()], [Some((0, vec![1])), Some((1, vec![2])), None]);
    }
}
