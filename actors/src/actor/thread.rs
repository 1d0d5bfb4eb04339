//! A thread that runs one actor and nothing else.

use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};

use super::workers::Run;
use crate::runtime::Runtime;

#[derive(Default)]
pub(super) struct OwnThread {
    /// Whether there is something to do.
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl OwnThread {
    /// Starts the thread; it runs `run` when it is [woken](Self::wake), until that has ended or its node is gone.
    ///
    /// # Errors
    ///
    /// What the system says when it has no room for a thread.
    pub(super) fn start(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        name: &str,
        run: Arc<dyn Run>,
    ) -> std::io::Result<()> {
        let (own, of) = (Arc::clone(self), Arc::downgrade(runtime));
        // The kernel keeps 15 bytes of it, and none may be zero.
        let name = name.replace('\0', "");
        std::thread::Builder::new().name(name).spawn(move || own.work(&of, &run))?;
        Ok(())
    }

    fn work(&self, of: &Weak<Runtime>, run: &Arc<dyn Run>) {
        while !run.has_ended() {
            {
                let mut is_woken = self.is_woken.lock();
                while !*is_woken {
                    self.woken.wait(&mut is_woken);
                }
                *is_woken = false;
            }
            // Asleep it does not keep the node, whose end wakes it.
            let Some(runtime) = of.upgrade() else { return };
            Arc::clone(run).run(&runtime);
            runtime.flush_listed_by_need();
        }
    }

    pub(super) fn wake(&self) {
        *self.is_woken.lock() = true;
        self.woken.notify_one();
    }
}
