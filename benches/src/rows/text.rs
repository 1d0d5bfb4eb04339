//! The text that the main job counts: lines of this repository in random order, and what must come out.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A generated file and its word counts.
#[derive(Debug)]
pub(crate) struct Text {
    file: NamedTempFile,
    /// `count<TAB>word` lines, by count descending, then by word.
    pub(crate) counted: String,
}

impl Text {
    /// Makes a file of about so many bytes.
    pub(crate) fn generate(bytes: u64) -> io::Result<Self> {
        let lines = lines_of_repository()?;
        let mut uses = vec![0_u64; lines.len()];
        let mut file = NamedTempFile::new()?;
        let mut out = BufWriter::new(file.as_file_mut());
        let (mut written, mut random) = (0, 0x9e37_79b9_7f4a_7c15_u64);
        while written < bytes {
            // Marsaglia's xorshift: the same text in every run of one state of the repository.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let index = (random % lines.len() as u64) as usize;
            out.write_all(lines[index].as_bytes())?;
            out.write_all(b"\n")?;
            uses[index] += 1;
            written += lines[index].len() as u64 + 1;
        }
        out.flush()?;
        drop(out);
        // From the lines and not from the file: no contestant is checked against itself.
        let mut counts: HashMap<String, u64> = HashMap::new();
        for (line, uses) in lines.iter().zip(&uses).filter(|(_, uses)| **uses > 0) {
            for word in
                line.split(|letter: char| !letter.is_ascii_alphabetic()).filter(|word| !word.is_empty())
            {
                *counts.entry(word.to_ascii_lowercase()).or_default() += uses;
            }
        }
        Ok(Self { file, counted: listed(counts) })
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Counts as the job prints them.
pub(crate) fn listed(counts: HashMap<String, u64>) -> String {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut text = String::new();
    for (word, count) in counts {
        text.push_str(&count.to_string());
        text.push('\t');
        text.push_str(&word);
        text.push('\n');
    }
    text
}

fn lines_of_repository() -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    find_text(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files)?;
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        lines.extend(fs::read_to_string(file)?.lines().map(str::to_owned));
    }
    if lines.is_empty() {
        return Err(io::Error::other("the repository has no text"));
    }
    Ok(lines)
}

fn find_text(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden || name == *"target" {
            continue;
        }
        if path.is_dir() {
            find_text(&path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
            found.push(path);
        }
    }
    Ok(())
}
