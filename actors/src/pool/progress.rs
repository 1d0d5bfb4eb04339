//! A ready hook for a mapping's progress: a bar on a terminal, a line now and then anywhere else.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::mapping::{Mapping, Progress};

/// How often a line is written if nobody knows how much is to be done.
const LINE_EVERY: Duration = Duration::from_secs(5);

impl<A, R, I: Iterator<Item = A>> Mapping<'_, A, R, I> {
    /// Shows on standard error how far it has come, under that name: by a bar if that is a terminal. Elsewhere lines tell of every
    /// tenth, or of every five seconds if the source of the inputs does not say how many there are, and of where it ended.
    ///
    /// Takes the place of a [`progress`](Self::progress) hook. Needs the feature `progress`.
    ///
    /// ```
    /// use callboard::pool::PoolOptions;
    ///
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = callboard::Node::start()?;
    /// let pool = node.pool(PoolOptions::new().workers(2))?;
    /// let squares = pool.each(|n: u64| n * n, 1..=5).progress_bar("squares").collect()?;
    /// assert_eq!(squares, [1, 4, 9, 16, 25]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "tqdm")]
    pub fn progress_bar(self, name: impl Into<String>) -> Self {
        let name = name.into();
        if stderr().is_terminal() {
            let bar = bar(ProgressBar::no_length(), name);
            return self.progress(move |progress| show(&bar, progress));
        }
        let mut lines = Lines::new(stderr(), name, Instant::now());
        self.progress(move |progress| lines.show(progress, Instant::now()))
    }
}

/// Makes it a bar that stays when the mapping has ended, wherever it stands then.
fn bar(bar: ProgressBar, name: String) -> ProgressBar {
    bar.with_prefix(name).with_finish(ProgressFinish::Abandon)
}

fn show(bar: &ProgressBar, progress: Progress) {
    if bar.position() == 0 {
        let figures = match progress.total {
            Some(_) => "{prefix} {bar:40} {pos}/{len} {per_sec} {eta} {msg}",
            None => "{prefix} {spinner} {pos} {per_sec} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(figures) {
            bar.set_style(style);
        }
        if let Some(total) = progress.total {
            bar.set_length(total);
        }
    }
    if progress.failed > 0 {
        bar.set_message(format!("{} failed", progress.failed));
    }
    bar.set_position(progress.done);
}

/// Progress in lines.
struct Lines<W: Write> {
    out: W,
    name: String,
    shown: Option<Progress>,
    shown_at: Instant,
    latest: Option<Progress>,
}

impl<W: Write> Lines<W> {
    fn new(out: W, name: String, now: Instant) -> Self {
        Self { out, name, shown: None, shown_at: now, latest: None }
    }

    fn show(&mut self, progress: Progress, now: Instant) {
        self.latest = Some(progress);
        let is_due = match progress.total {
            Some(_) => tenths(&progress) > self.shown.as_ref().map_or(0, tenths),
            None => now.saturating_duration_since(self.shown_at) >= LINE_EVERY,
        };
        if is_due {
            self.write(progress);
            self.shown_at = now;
        }
    }

    fn write(&mut self, progress: Progress) {
        self.shown = Some(progress);
        // Nothing is worth more than the mapping itself: what can't be written is not told. One write, so that lines stay whole.
        let _ = self.out.write_all(format!("{}: {}\n", self.name, Figures(progress)).as_bytes());
    }
}

/// Tells where it ended.
impl<W: Write> Drop for Lines<W> {
    fn drop(&mut self) {
        if let Some(latest) = self.latest.filter(|latest| self.shown != Some(*latest)) {
            self.write(latest);
        }
    }
}

fn parts_done(progress: &Progress, parts: u64) -> u64 {
    let total = progress.total.unwrap_or(0).max(1);
    (u128::from(progress.done) * u128::from(parts) / u128::from(total)) as u64
}

fn tenths(progress: &Progress) -> u64 {
    parts_done(progress, 10)
}

struct Figures(Progress);

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { done, failed, total } = self.0;
        match total {
            Some(total) => write!(f, "{done} of {total} ({} %)", parts_done(&self.0, 100))?,
            None => write!(f, "{done}")?,
        }
        if failed > 0 { write!(f, ", {failed} failed") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(steps: impl IntoIterator<Item = (Progress, Duration)>) -> Vec<String> {
        let mut out = Vec::new();
        let begun = Instant::now();
        let mut lines = Lines::new(&mut out, "squares".to_owned(), begun);
        for (progress, after) in steps {
            lines.show(progress, begun + after);
        }
        drop(lines);
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn progress(done: u64, failed: u64, total: Option<u64>) -> (Progress, Duration) {
        (Progress { done, failed, total }, Duration::ZERO)
    }

    #[test]
    fn a_line_is_written_for_each_tenth_and_each_once() {
        let lines = lines_of((1..=1000).map(|done| progress(done, 0, Some(1000))));
        let tenths = (1..=10).map(|tenth| format!("squares: {} of 1000 ({} %)", tenth * 100, tenth * 10));
        assert_eq!(lines, tenths.collect::<Vec<_>>());
        let lines = lines_of([1, 2, 3].map(|done| progress(done, 0, Some(3))));
        assert_eq!(lines, ["squares: 1 of 3 (33 %)", "squares: 2 of 3 (66 %)", "squares: 3 of 3 (100 %)"]);
    }

    #[test]
    fn where_it_ended_is_told_once_with_what_has_failed() {
        let lines = lines_of([1, 250, 260].map(|done| progress(done, done / 100, Some(1000))));
        assert_eq!(lines, ["squares: 250 of 1000 (25 %), 2 failed", "squares: 260 of 1000 (26 %), 2 failed"]);
        assert_eq!(lines_of([]), [""; 0]);
    }

    #[test]
    fn without_a_total_there_is_a_line_every_five_seconds() {
        let steps = (1..=12).map(|second| {
            let (progress, _) = progress(second * 100, 0, None);
            (progress, Duration::from_secs(second))
        });
        assert_eq!(lines_of(steps), ["squares: 500", "squares: 1000", "squares: 1200"]);
    }

    #[test]
    fn a_bar_has_the_figures() {
        let bar = bar(ProgressBar::hidden(), "squares".to_owned());
        show(&bar, Progress { done: 1, failed: 0, total: Some(10) });
        show(&bar, Progress { done: 7, failed: 2, total: Some(10) });
        assert_eq!((bar.position(), bar.length(), bar.prefix()), (7, Some(10), "squares".to_owned()));
        assert_eq!(bar.message(), "2 failed");
    }
}
