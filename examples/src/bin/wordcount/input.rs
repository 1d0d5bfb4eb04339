//! Which parts of which files there are to read.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

/// How much of a file is one item.
const RANGE_BYTES: u64 = 256 * 1024;

/// A part of a file. The words that begin in it are its words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) path: PathBuf,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

/// All parts of all files under `paths`, and what can't be read, each with its reason.
pub(crate) fn ranges(paths: &[PathBuf]) -> (Vec<Range>, Vec<String>) {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    let own = [Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    let paths = if paths.is_empty() { &own[..] } else { paths };
    for path in paths {
        let is_wanted = |entry: &walkdir::DirEntry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || !(name.starts_with('.') || name == "target")
        };
        for entry in WalkDir::new(path).sort_by_file_name().into_iter().filter_entry(is_wanted) {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => match fs::metadata(entry.path()) {
                    Ok(file) if file.is_file() => cut(entry.path(), file.len(), &mut found),
                    Ok(file) if file.is_dir() => {}
                    Ok(_) => skipped.push(format!("{}: not a file", entry.path().display())),
                    Err(error) => skipped.push(format!("{}: {error}", entry.path().display())),
                },
                Err(error) => skipped.push(error.to_string()),
            }
        }
    }
    (found, skipped)
}

fn cut(path: &Path, length: u64, into: &mut Vec<Range>) {
    let mut start = 0;
    while start < length {
        let part = (length - start).min(RANGE_BYTES);
        into.push(Range { path: path.to_owned(), start, length: part });
        start += part;
    }
}
