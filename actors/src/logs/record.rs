//! One record: what was logged, by whom and when; and the line that it prints itself as.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tracing_core::Level;

/// The most text in a record, in bytes; more than a program should log at once, and well below what is sent at once.
const MAX_TEXT_BYTES: usize = 24 << 10;
/// What each piece of text counts beside its own bytes: no more than its length takes as encoded.
const BESIDE_BYTES: usize = 8;
/// The last second of the year 9999, since 1970: no later time has a text.
const LAST_SECOND: u64 = 253_402_300_799;
/// Where a text was cut.
const CUT: char = '…';

/// What a process has logged: an event of `tracing`.
///
/// Printed it is one line, whatever it holds: time (UTC), level, the process's name and id, the spans, the target, the message and its
/// fields. Line feeds and other control characters are written as `\n` and the like.
///
/// ```text
/// 2026-02-03T04:05:06.000007Z INFO [parser 4711] file{path=a.txt}: words::parse: parsed lines=12
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogRecord {
    /// The name of the process that logged it; `root` for that of the root.
    pub node: String,
    /// The id of that process.
    pub pid: u32,
    /// When, by the system's clock.
    pub time: SystemTime,
    /// How important it is.
    #[serde(with = "level")]
    pub level: Level,
    /// The module that logged it, unless it said something else.
    pub target: String,
    /// Empty if it has none.
    pub message: String,
    /// What else it holds, in order: name and value, as text. What is no string, number or error is as `Debug` has it.
    pub fields: Vec<(String, String)>,
    /// The spans it was logged in, the outermost first: `name`, or `name{field=value other=value}`.
    pub spans: Vec<String>,
    /// The name of the thread, if it has one.
    pub thread: Option<String>,
    /// The source file, if it is known.
    pub file: Option<String>,
    /// The line in it, from one.
    pub line: Option<u32>,
    /// How many records of the process before this one nobody took.
    pub lost: u64,
}

impl LogRecord {
    /// Cuts its text to what a record may have: the message is the last to be cut.
    pub(super) fn cut(&mut self) {
        let mut left = MAX_TEXT_BYTES;
        for text in [&mut self.node, &mut self.target, &mut self.message] {
            cut(text, &mut left);
        }
        for text in [&mut self.thread, &mut self.file].into_iter().flatten() {
            cut(text, &mut left);
        }
        for (name, value) in &mut self.fields {
            cut(name, &mut left);
            cut(value, &mut left);
        }
        self.spans.iter_mut().for_each(|span| cut(span, &mut left));
        // Of what there is no room for not even the place is kept.
        self.fields.retain(|(name, _)| !name.is_empty());
        self.spans.retain(|span| !span.is_empty());
    }
}

/// Cuts `text` to what is left, and takes that from it.
fn cut(text: &mut String, left: &mut usize) {
    let room = left.saturating_sub(BESIDE_BYTES);
    if text.len() > room {
        text.truncate(text.floor_char_boundary(room.saturating_sub(CUT.len_utf8())));
        if room > CUT.len_utf8() {
            text.push(CUT);
        }
    }
    *left = room.saturating_sub(text.len());
}

impl fmt::Display for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
        let time = humantime::format_rfc3339_micros(self.time.clamp(SystemTime::UNIX_EPOCH, last));
        write!(f, "{time} {} [{} {}] ", self.level, Line(&self.node), self.pid)?;
        for span in &self.spans {
            write!(f, "{}: ", Line(span))?;
        }
        write!(f, "{}:", Line(&self.target))?;
        if !self.message.is_empty() {
            write!(f, " {}", Line(&self.message))?;
        }
        for (name, value) in &self.fields {
            write!(f, " {}={}", Line(name), Line(value))?;
        }
        if self.lost > 0 {
            write!(f, " ({} before it were lost)", self.lost)?;
        }
        Ok(())
    }
}

/// Text that stays on its line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// A level as a number: five is the most important.
mod level {
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};
    use tracing_core::Level;

    const LEVELS: [Level; 5] = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];

    pub(super) fn serialize<S: Serializer>(level: &Level, to: S) -> Result<S::Ok, S::Error> {
        let at = LEVELS.iter().position(|one| one == level).unwrap_or_default();
        to.serialize_u64(at as u64 + 1)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Level, D::Error> {
        let number = u64::deserialize(from)?;
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let level = at.and_then(|at| LEVELS.get(at));
        level.copied().ok_or_else(|| Error::invalid_value(Unexpected::Unsigned(number), &"a level, 1 to 5"))
    }
}
