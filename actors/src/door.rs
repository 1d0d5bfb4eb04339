//! The door through which children of test binaries enter, which have no `main` of their own to begin with
//! [`Node::start`](crate::Node::start).

pub use callboard_ipc;

/// Runs the call that this process was spawned for.
pub fn enter(bootstrap: callboard_ipc::Bootstrap) -> ! {
    crate::process::worker::run(bootstrap)
}

/// Lets plain `#[test]` functions of this program spawn processes.
///
/// One line anywhere in a test binary, benchmark or documentation test: spawned children then enter before `main`. It
/// does nothing in a process that was not spawned, and nothing in a shared library.
///
/// ```
/// callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = callboard::Node::start()?;
/// let child = node.spawn("adder", |_, (a, b): (u32, u32)| a + b, (2, 3))?;
/// assert_eq!(child.join()?, 5);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! test_door {
    () => {
        $crate::door::callboard_ipc::door!($crate::door::enter);
    };
}
