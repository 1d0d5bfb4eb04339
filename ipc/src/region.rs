//! A block of memory that several processes map.
//!
//! `Link` lays its words out in one, and users have some of their own. The memory has no name: it lives exactly as long as some
//! process maps it or holds its descriptor, so nothing is left whoever is killed. `words` copies into it and out of it.

mod words;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};

use crate::system::memory_left;

/// So much is reserved by one call of the system: a signal that comes has it begin that part again, not all.
const RESERVED_AT_ONCE: u64 = 64 * 1024 * 1024;

/// What a mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A write would end the process.
    ReadOnly,
    /// Both.
    ReadWrite,
}

/// Shared memory mapped into this process, unmapped when dropped.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    access: Access,
}

// SAFETY: a mapping belongs to the process, not to a thread, and `Region` hands out raw access only
// through `base`, whose users go through atomics (`Link`) or copies of bytes that no reference exists to (`Rings`); what
// `words` does goes through atomics too, or has its caller say that nobody else is there.
unsafe impl Send for Region {}
// SAFETY: as for `Send`; no method changes the mapping through a shared reference.
unsafe impl Sync for Region {}

impl Region {
    /// Creates zeroed memory of `len` bytes and the descriptor by which another process maps it.
    ///
    /// Its size is sealed, so no peer can shrink it under a reader. Its pages come as they are touched: for memory of this
    /// crate's own, which is small and never used whole. What users may fill is [reserved](Self::reserve).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `len` is zero or more than `isize::MAX`; else what the kernel says: no memory, or no descriptor left.
    pub fn create(len: usize) -> io::Result<(Self, OwnedFd)> {
        let fd = sized(len, "callboard")?;
        seal(&fd)?;
        Ok((Self::map(fd.as_fd(), len, Access::ReadWrite)?, fd))
    }

    /// The descriptor of zeroed memory of `len` bytes, of which every page is there already: whoever touches it is
    /// not refused, nor killed, because the system is full. Nothing is mapped.
    ///
    /// # Errors
    ///
    /// `InvalidInput` as in [`create`](Self::create). `StorageFull` or `OutOfMemory` if the system, or the group that limits this
    /// process's memory, has not so much left; `FileTooLarge` if this process may not have files of that size. Each says how
    /// much was asked for.
    pub fn reserve(len: usize) -> io::Result<OwnedFd> {
        let fd = sized(len, "callboard-region")?;
        if let Some(left) = memory_left().filter(|left| *left < len as u64) {
            let text = format!("shared memory of {len} bytes, and the system has {left} bytes left");
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        let mut at = 0;
        while at < len as u64 {
            let part = RESERVED_AT_ONCE.min(len as u64 - at);
            match rustix::fs::fallocate(&fd, FallocateFlags::empty(), at, part) {
                Ok(()) => at += part,
                Err(Errno::INTR) => {}
                Err(error) => return Err(refused(len, error)),
            }
        }
        seal(&fd)?;
        Ok(fd)
    }

    /// Maps the memory behind `fd`, which must hold `len` bytes and be sealed against shrinking.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check), or what the kernel says.
    pub fn open(fd: &OwnedFd, len: usize) -> io::Result<Self> {
        Self::open_for(fd, len, Access::ReadWrite)
    }

    /// As [`open`](Self::open), to be used as `access` says.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_for(fd: &OwnedFd, len: usize, access: Access) -> io::Result<Self> {
        Self::check(fd.as_fd(), len)?;
        Self::map(fd.as_fd(), len, access)
    }

    /// Whether `fd` is memory that can be mapped without fear: of `len` bytes, and sealed against shrinking.
    ///
    /// # Errors
    ///
    /// `InvalidInput` as in [`create`](Self::create). `InvalidData` if it is something else, of another size, or the seal is
    /// missing: touching such memory could end this process with SIGBUS.
    pub fn check(fd: BorrowedFd<'_>, len: usize) -> io::Result<()> {
        check_len(len)?;
        let wrong = |text: String| Err(io::Error::new(io::ErrorKind::InvalidData, text));
        // Asked first: other things than memory have no seals, and their size may mean anything.
        let seals = match rustix::fs::fcntl_get_seals(fd) {
            Ok(seals) => seals,
            Err(_) => return wrong("a descriptor of something else than shared memory".to_owned()),
        };
        let size = rustix::fs::fstat(fd)?.st_size;
        if u64::try_from(size).ok() != Some(len as u64) {
            return wrong(format!("shared memory of {size} bytes where {len} were expected"));
        }
        if !seals.contains(SealFlags::SHRINK) {
            return wrong("shared memory that is not sealed against shrinking".to_owned());
        }
        Ok(())
    }

    fn map(fd: BorrowedFd<'_>, len: usize, access: Access) -> io::Result<Self> {
        let prot = match access {
            Access::ReadOnly => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        // SAFETY: a null hint lets the kernel choose a place that overlaps nothing of ours.
        let base = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, prot, MapFlags::SHARED, fd, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len, access })
    }

    /// The first byte; page aligned, valid for `len` bytes while `self` lives, for what it was mapped for.
    #[inline]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The length in bytes.
    #[inline]
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

fn check_len(len: usize) -> io::Result<()> {
    if len == 0 || isize::try_from(len).is_err() {
        let text = format!("shared memory of {len} bytes: it has 1 to {} of them", isize::MAX);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// Memory of that size, without pages yet, that could still change its size. By `name` one sees in `/proc` what it is.
fn sized(len: usize, name: &str) -> io::Result<OwnedFd> {
    check_len(len)?;
    // Beyond that limit the kernel would answer with a signal that ends this process.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| most < len as u64) {
        return Err(refused(len, Errno::FBIG));
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(name, flags)?;
    rustix::fs::ftruncate(&fd, len as u64).map_err(|error| refused(len, error))?;
    Ok(fd)
}

fn seal(fd: &OwnedFd) -> io::Result<()> {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(rustix::fs::fcntl_add_seals(fd, seals)?)
}

fn refused(len: usize, error: Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("shared memory of {len} bytes: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[track_caller]
    fn is_refused(fd: &OwnedFd, len: usize, text: &str) {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = Region::open_for(fd, len, access).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn memory_of_another_size_or_without_a_seal_is_refused() {
        let (_region, fd) = Region::create(4096).unwrap();
        is_refused(&fd, 8192, "4096 bytes where 8192 were expected");
        is_refused(&fd, 4095, "4096 bytes where 4095 were expected");
        let bare = rustix::fs::memfd_create("bare", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&bare, 4096).unwrap();
        is_refused(&bare, 4096, "not sealed against shrinking");
        rustix::fs::fcntl_add_seals(&bare, SealFlags::GROW).unwrap();
        is_refused(&bare, 4096, "not sealed against shrinking");
        // Made smaller before it was sealed.
        rustix::fs::ftruncate(&bare, 100).unwrap();
        rustix::fs::fcntl_add_seals(&bare, SealFlags::SHRINK).unwrap();
        is_refused(&bare, 4096, "100 bytes where 4096 were expected");
        assert!(Region::open(&fd, 4096).is_ok());
    }

    #[test]
    fn what_is_no_shared_memory_is_refused() {
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let folder = OwnedFd::from(std::fs::File::open("/").unwrap());
        for fd in [pipe, OwnedFd::from(file), folder] {
            is_refused(&fd, 4096, "");
        }
    }

    #[test]
    fn its_size_can_not_be_changed() {
        for fd in [Region::create(4096).unwrap().1, Region::reserve(4096).unwrap()] {
            assert!(rustix::fs::ftruncate(&fd, 100).is_err());
            assert!(rustix::fs::ftruncate(&fd, 8192).is_err());
            assert!(rustix::fs::fcntl_add_seals(&fd, SealFlags::WRITE).is_err());
        }
    }

    #[test]
    fn sizes_that_can_not_be_are_refused_with_a_text() {
        for len in [0, isize::MAX as usize + 1, usize::MAX] {
            let refused =
                [Region::reserve(len).map(drop), Region::create(len).map(drop)].map(Result::unwrap_err);
            for error in refused {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains(&format!("{len} bytes")), "{error}");
            }
        }
    }

    #[test]
    fn more_than_there_is_left_is_refused_before_anything_is_taken() {
        for len in [1 << 45, isize::MAX as usize] {
            let error = Region::reserve(len).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            assert!(error.to_string().contains(&format!("{len} bytes")), "{error}");
        }
    }

    #[test]
    fn all_pages_of_what_is_reserved_are_there() {
        const LEN: usize = 3 * 1024 * 1024 + 5;
        let blocks = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_blocks as usize * 512;
        assert!(blocks(&Region::reserve(LEN).unwrap()) >= LEN);
        assert!(blocks(&Region::create(LEN).unwrap().1) < LEN);
    }

    #[test]
    fn a_mapping_to_read_sees_what_is_written_and_is_protected() {
        let fd = Region::reserve(10_000).unwrap();
        let (all, read) =
            (Region::open(&fd, 10_000).unwrap(), Region::open_for(&fd, 10_000, Access::ReadOnly).unwrap());
        all.write(9_990, b"0123456789");
        let mut seen = [0; 4];
        read.read(9_995, &mut seen);
        assert_eq!(&seen, b"5678");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let at = format!("{:08x}-", read.base().as_ptr() as usize);
        let line = maps.lines().find(|line| line.starts_with(&at)).unwrap();
        assert!(line.contains(" r--s "), "{line}");
    }
}
