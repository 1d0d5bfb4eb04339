//! Which file to run so that a child runs the program that this process runs.
//!
//! Usually `/proc/self/exe`, which names the file itself and not its path, so a binary that was deleted or replaced since still
//! starts. Where there is no `/proc`, the path by which the kernel was told to run it, as it was meant at the first look. Under a dynamic loader called by hand (`ld.so PROGRAM`) or an emulator like valgrind it names
//! that tool instead; the memory map then tells the program.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::program;

/// The environment variable that overrides which file is run for a child, where the choice here is wrong.
///
/// The file must be the same build; a script in its place must `exec` the program and leave its standard input alone.
pub const EXECUTABLE_VARIABLE: &str = "CALLBOARD_EXE";

const SELF_EXE: &str = "/proc/self/exe";

/// The file that a child is started from.
///
/// # Errors
///
/// What the kernel says when the override is a relative path and the working directory is gone.
pub fn executable() -> io::Result<PathBuf> {
    if let Some(path) = std::env::var_os(EXECUTABLE_VARIABLE).filter(|path| !path.is_empty()) {
        // Absolute, since the child may start in another directory.
        return std::path::absolute(path);
    }
    static CHOSEN: OnceLock<PathBuf> = OnceLock::new();
    Ok(CHOSEN.get_or_init(choose_now).clone())
}

/// The file behind a mapping.
#[derive(Debug, PartialEq, Eq)]
struct Mapped {
    inode: u64,
    path: PathBuf,
}

fn choose_now() -> PathBuf {
    if std::fs::symlink_metadata(SELF_EXE).is_err() {
        let path = PathBuf::from(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()));
        return std::path::absolute(&path).unwrap_or(path);
    }
    let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
    let code = program::main_program().segments.iter().find(|segment| segment.is_executable());
    let mapped = code.and_then(|segment| find_mapping(&maps, segment.range.start));
    match mapped {
        Some(mapped) if is_other_file(&mapped) => mapped.path,
        _ => PathBuf::from(SELF_EXE),
    }
}

/// Whether the mapped program is another file than the one the kernel says it runs.
///
/// Devices are not compared: some file systems show another one in the map than in a file's status. Older
/// overlay file systems do so with inodes, hence the further questions.
fn is_other_file(mapped: &Mapped) -> bool {
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|found| found.ino());
    if inode(Path::new(SELF_EXE)) == Some(mapped.inode) {
        return false;
    }
    if inode(&mapped.path) == Some(mapped.inode) {
        return true;
    }
    std::fs::read_link(SELF_EXE).ok().is_some_and(|link| link != mapped.path)
}

/// Finds the file that is mapped at `address`; none if memory without a file is.
fn find_mapping(maps: &[u8], address: usize) -> Option<Mapped> {
    maps.split(|byte| *byte == b'\n').find_map(|line| mapping_at(line, address))
}

/// Reads one line: `start-end access offset device inode   path`.
fn mapping_at(line: &[u8], address: usize) -> Option<Mapped> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let (start, end) = str::from_utf8(fields.next()?).ok()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    if !(start..end).contains(&address) {
        return None;
    }
    let inode = str::from_utf8(fields.nth(3)?).ok()?.parse().ok()?;
    let path = fields.next()?.trim_ascii_start();
    (inode != 0 && path.starts_with(b"/")).then(|| Mapped { inode, path: unescape(path) })
}

/// The kernel writes a line feed in a path as `\012`.
fn unescape(path: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            plain.push(b'\n');
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    PathBuf::from(OsStr::from_bytes(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] = b"\
00400000-00452000 r-xp 00001000 08:02 173521                             /usr/bin/with space\\012x (deleted)
7f0000000000-7f0000010000 rw-p 00000000 00:00 0
7f0000010000-7f0000020000 r-xp 00000000 00:00 0                          [vdso]
7f0000020000-7f0000030000 r--p 00000000 fd:01 99 /opt/x
";

    #[test]
    fn the_file_mapped_at_an_address_is_read_from_the_map() {
        let path = PathBuf::from("/usr/bin/with space\nx (deleted)");
        assert_eq!(find_mapping(MAPS, 0x40_0000), Some(Mapped { inode: 173_521, path }));
        let path = PathBuf::from("/opt/x");
        assert_eq!(find_mapping(MAPS, 0x7f00_0002_ffff), Some(Mapped { inode: 99, path }));
    }

    #[test]
    fn memory_without_a_file_and_unmapped_addresses_have_none() {
        for address in [0x7f00_0000_0000, 0x7f00_0001_0000, 0x45_2000, 0] {
            assert_eq!(find_mapping(MAPS, address), None, "{address:#x}");
        }
        assert_eq!(find_mapping(b"garbage\n- - -\n\n12-", 0), None);
    }

    #[test]
    fn a_program_started_in_the_usual_way_is_run_by_its_inode() {
        assert_eq!(choose_now(), PathBuf::from(SELF_EXE));
    }
}
