//! What a worker has to tell, until it is told.
//!
//! Light tasks are told of together. The worker's own thread adds to it; the node's reader tells what has waited for long, for
//! the next task may turn out not to be light, and what is wanted before this process is killed.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use callboard_core::Slot;
use parking_lot::Mutex;

use super::line::Line;
use super::wire::{ToPool, Told};
use crate::runtime::Runtime;

/// A report leaves when its values have grown to this.
pub(super) const REPORT_BYTES: usize = 32 * 1024;
/// Of so many light tasks at most a worker tells together.
const TOGETHER: u32 = 128;
/// And after so long.
const WAITS_FOR: Duration = Duration::from_millis(2);

#[derive(Default)]
struct Gathered {
    told: Told,
    /// A tick is on its way.
    ticks: bool,
}

#[derive(Default)]
pub(super) struct Reports {
    /// The way to the pool, as soon as it is known.
    line: OnceLock<Line>,
    /// Who is ticked; nobody in the pool's own process, where all is told at once.
    ticked: Option<Slot>,
    gathered: Mutex<Gathered>,
}

impl Reports {
    pub(super) fn new(ticked: Option<Slot>) -> Self {
        Self { ticked, ..Self::default() }
    }

    pub(super) fn go_by(&self, line: Line) {
        // Set once, by the worker that it is made for.
        let _ = self.line.set(line);
    }

    /// Takes what `told` holds, and leaves it empty; `at_once` if that is not to wait.
    pub(super) fn add(&self, runtime: &Arc<Runtime>, told: &mut Told, at_once: bool) {
        if self.ticked.is_none() {
            // Told at once, and with nothing locked: in the pool's own process what follows may be a question to any worker, this
            // one included, which answers here.
            if let Some(line) = self.line.get() {
                line.tell(runtime, std::mem::take(told));
            }
            return;
        }
        let mut gathered = self.gathered.lock();
        if !gathered.told.goes_on_with(told) {
            self.tell_locked(runtime, &mut gathered);
        }
        gathered.told.append(told);
        let now = at_once
            || gathered.told.count >= TOGETHER
            || gathered.told.values.len() >= REPORT_BYTES
            || !gathered.told.rights.is_empty();
        if now {
            return self.tell_locked(runtime, &mut gathered);
        }
        if let Some(slot) = self.ticked
            && !std::mem::replace(&mut gathered.ticks, true)
        {
            drop(gathered);
            runtime.tick_at(Instant::now() + WAITS_FOR, slot);
        }
    }

    /// Tells what there is.
    pub(super) fn tell(&self, runtime: &Arc<Runtime>) {
        self.tell_locked(runtime, &mut self.gathered.lock());
    }

    /// The same, for the tick that was asked for.
    pub(super) fn tick(&self, runtime: &Arc<Runtime>) {
        let mut gathered = self.gathered.lock();
        gathered.ticks = false;
        self.tell_locked(runtime, &mut gathered);
    }

    /// Locked over it: of two that tell, the first has told first.
    fn tell_locked(&self, runtime: &Arc<Runtime>, gathered: &mut Gathered) {
        if gathered.told.count == 0 {
            return;
        }
        let told = std::mem::take(&mut gathered.told);
        if let Some(line) = self.line.get() {
            line.tell(runtime, told);
        }
    }

    /// Says something else, behind all that is to be told.
    pub(super) fn say(&self, runtime: &Arc<Runtime>, message: ToPool) {
        self.tell(runtime);
        if let Some(line) = self.line.get() {
            line.say(runtime, message);
            line.flush(runtime);
        }
    }

    /// Has everything told, and on its way.
    pub(super) fn flush(&self, runtime: &Arc<Runtime>) {
        self.tell(runtime);
        if let Some(line) = self.line.get() {
            line.flush_unsent(runtime);
        }
    }
}
