//! Dying at a named step of a test's own child.

use std::sync::Mutex;

use super::processes::kill_self;

static DIE_AT: Mutex<Option<(String, u32)>> = Mutex::new(None);

/// Arms this process: it will kill itself with SIGKILL when it comes to `step` for the `times`-th time.
pub fn die_at(step: &str, times: u32) {
    *DIE_AT.lock().unwrap_or_else(|e| e.into_inner()) = Some((step.to_owned(), times));
}

/// Says that this process has come to `step`.
pub fn reached(step: &str) {
    let mut armed = DIE_AT.lock().unwrap_or_else(|e| e.into_inner());
    if let Some((at, left)) = armed.as_mut()
        && at == step
    {
        *left -= 1;
        if *left == 0 {
            kill_self();
        }
    }
}
