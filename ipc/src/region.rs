//! A block of memory that several processes map.
//!
//! `Link` lays its words out in one. The memory has no name: it lives exactly as long as some process
//! maps it or holds its descriptor, so nothing is left whoever is killed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// Shared memory mapped into this process, unmapped when dropped.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and `Region` hands out raw access only
// through `base`, whose users go through atomics (`Link`) or copies of bytes that no reference exists to (`Rings`).
unsafe impl Send for Region {}
// SAFETY: as for `Send`; no method changes the mapping through a shared reference.
unsafe impl Sync for Region {}

impl Region {
    /// Creates zeroed memory of `len` bytes and the descriptor by which another process maps it.
    ///
    /// Its size is sealed, so no peer can shrink it under a reader.
    ///
    /// # Errors
    ///
    /// What the kernel says: no memory, or no descriptor left.
    pub fn create(len: usize) -> io::Result<(Self, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = rustix::fs::memfd_create("callboard", flags)?;
        rustix::fs::ftruncate(&fd, len as u64)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&fd, seals)?;
        Ok((Self::map(&fd, len)?, fd))
    }

    /// Maps the memory behind `fd`, which must hold `len` bytes and be sealed against shrinking.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the size differs or the seal is missing: touching such memory could end this
    /// process with SIGBUS.
    pub fn open(fd: &OwnedFd, len: usize) -> io::Result<Self> {
        let size = rustix::fs::fstat(fd)?.st_size;
        if u64::try_from(size).ok() != Some(len as u64) {
            let text = format!("shared memory of {size} bytes where {len} were expected");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if !rustix::fs::fcntl_get_seals(fd)?.contains(SealFlags::SHRINK) {
            let text = "shared memory that is not sealed against shrinking";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Self::map(fd, len)
    }

    fn map(fd: &OwnedFd, len: usize) -> io::Result<Self> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a null hint lets the kernel choose a place that overlaps nothing of ours.
        let base =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, prot, MapFlags::SHARED, fd.as_fd(), 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    /// The first byte; page aligned, valid for `len` bytes while `self` lives.
    #[inline]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `base..base + len` was returned by `mmap` in `map`, is unmapped only here, and no
        // borrow of the memory outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping a region we mapped: {unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_another_size_or_without_a_seal_is_refused() {
        let (_region, fd) = Region::create(4096).unwrap();
        assert_eq!(Region::open(&fd, 8192).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let bare = rustix::fs::memfd_create("bare", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&bare, 4096).unwrap();
        assert_eq!(Region::open(&bare, 4096).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(Region::open(&fd, 4096).is_ok());
    }
}
