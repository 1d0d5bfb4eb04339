//! Which build this program is.
//!
//! An offset means the same function only in the same build. Linkers stamp a program with a build id; where
//! there is none, the code itself is hashed once.

use std::fmt;
use std::sync::OnceLock;

use super::program::{self, Segment};

/// What identifies a build: two processes with equal ids run the same code.
///
/// It is the GNU build id, or a hash of the code where the linker wrote none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ImageId(Vec<u8>);

impl ImageId {
    /// The id as it travels; usually 8 to 20 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// An id that came from another process.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageId({self})")
    }
}

/// The id of the program that this process runs, worked out at the first call.
pub fn image_id() -> &'static ImageId {
    static ID: OnceLock<ImageId> = OnceLock::new();
    ID.get_or_init(|| build_id().unwrap_or_else(code_hash))
}

const NT_GNU_BUILD_ID: u32 = 3;
const NOTE_HEADER_BYTES: usize = 12;

fn build_id() -> Option<ImageId> {
    let notes = program::main_program().segments.iter().filter(|s| s.kind == libc::PT_NOTE);
    notes.into_iter().find_map(|segment| {
        let bytes = program::constant_bytes(segment.range.clone())?;
        let id = find_build_id(bytes, segment.align)?;
        Some(ImageId::from_bytes(id))
    })
}

/// Looks for the build id among the notes in `notes`: each is the lengths of name and content, a kind, the name and
/// the content, both padded to `align`.
fn find_build_id(mut notes: &[u8], align: usize) -> Option<&[u8]> {
    let align = if align == 8 { 8 } else { 4 };
    while let Some((header, rest)) = notes.split_at_checked(NOTE_HEADER_BYTES) {
        let name_len = word(header, 0)?;
        let content_len = word(header, 4)?;
        let kind = word(header, 8)?;
        let name = rest.get(..name_len)?;
        // The padding is reckoned from the start of the note.
        let content_at = (NOTE_HEADER_BYTES + name_len).next_multiple_of(align);
        let content = notes.get(content_at..)?.get(..content_len)?;
        if kind == NT_GNU_BUILD_ID as usize && name == b"GNU\0" && !content.is_empty() {
            return Some(content);
        }
        notes = notes.get((content_at + content_len).next_multiple_of(align)..)?;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_ne_bytes(bytes)).ok()
}

/// A hash of the layout of the program and of its code.
fn code_hash() -> ImageId {
    let program = program::main_program();
    let mut hash = FNV_START;
    for segment in &program.segments {
        let start = segment.range.start.wrapping_sub(program.bias);
        for number in [segment.kind as usize, segment.flags as usize, start, segment.range.len()] {
            hash = mix(hash, &number.to_ne_bytes());
        }
    }
    for segment in program.segments.iter().filter(|s| Segment::is_executable(s)) {
        // Code that may be run but not read is left out; its layout is in the hash.
        let code = program::constant_bytes(segment.range.clone()).unwrap_or_default();
        hash = mix(hash, code);
    }
    ImageId(hash.to_ne_bytes().to_vec())
}

const FNV_START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// FNV-1a over words of 8 bytes: each step is a bijection, so code that differs in one word never collides.
/// It tells builds apart by accident-proof odds; it is no defence against somebody who wants a collision.
fn mix(mut hash: u128, bytes: &[u8]) -> u128 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u128::from(u64::from_ne_bytes(*word))).wrapping_mul(FNV_PRIME);
    }
    for byte in rest {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, content: &[u8], align: usize) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [name.len() as u32, content.len() as u32, kind] {
            note.extend(number.to_ne_bytes());
        }
        for part in [name, content] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(align), 0);
        }
        note
    }

    #[test]
    fn the_build_id_is_found_after_other_notes() {
        for align in [4, 8] {
            let mut notes = note(b"GNU\0", 1, &[1; 16], align);
            notes.extend(note(b"Xen\0\0", 3, &[2; 5], align));
            notes.extend(note(b"GNU\0", 3, &[9; 20], align));
            assert_eq!(find_build_id(&notes, align), Some(&[9; 20][..]));
        }
    }

    #[test]
    fn notes_that_are_cut_short_or_lie_about_their_length_hold_no_build_id() {
        let whole = note(b"GNU\0", 3, &[9; 20], 4);
        for len in 0..whole.len() {
            assert_eq!(find_build_id(&whole[..len], 4), None, "{len} bytes");
        }
        let mut lies = whole.clone();
        lies[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(find_build_id(&lies, 4), None);
    }

    #[test]
    fn the_id_of_this_program_is_stable_and_not_empty() {
        assert!(image_id().as_bytes().len() >= 8);
        assert_eq!(ImageId::from_bytes(image_id().as_bytes()), *image_id());
        assert_eq!(code_hash(), code_hash());
    }

    #[test]
    fn code_that_differs_in_one_byte_has_another_hash() {
        let code = [0x90; 27];
        for at in 0..code.len() {
            let mut other = code;
            other[at] ^= 1;
            assert_ne!(mix(FNV_START, &code), mix(FNV_START, &other), "byte {at}");
        }
    }
}
