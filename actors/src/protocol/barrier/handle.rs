//! The barrier as users hold it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use callboard_ipc::random_u64;

use super::error::{BarrierError, BrokenBy};
use super::options::BarrierOptions;
use super::owner::BarrierOwner;
use super::wire::{Ask, Reply};
use crate::call::CallError;
use crate::protocol::object::{Handle, ObjectError, Typed, shared_object};

/// How long after its timeout a wait waits for the owner to say what came of it. An owner that is not stopped says it at once.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// A place where a number of parties, threads of any processes of a job, wait until all of them are there. Then all go on, and it
/// is used again.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The barrier lives in the
/// process that created it until that process ends.
///
/// **It breaks** when one that waits there is killed or has its timeout, when the action panics, or by [`abort`](Self::abort). Then all who wait
/// are told, with the reason, and so is whoever comes, until it is [`reset`](Self::reset): a party that does not come any
/// more leaves nobody waiting. A party that dies before it comes is not known to the barrier; that is what timeouts are for.
///
/// It can't be waited for [together with other things](crate::WaitAny): to wait at it counts, and to give that up breaks it.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Barrier, BarrierOptions, Failure, Node};
///
/// fn steps(_: &Node, barrier: Barrier) -> Result<(), Failure> {
///     for _ in 0..3 {
///         // Something that all do.
///         barrier.wait()?;
///     }
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let barrier: Barrier = node.create("/lockstep", BarrierOptions::new(2)?)?;
/// let child = node.spawn("steps", steps, barrier.clone())?;
/// steps(&node, barrier).map_err(|failure| failure.to_string())?;
/// child.join()??;
/// # Ok(())
/// # }
/// ```
///
/// Source: `Barrier` of Python's `multiprocessing`, where a killed party is counted for ever.
pub struct Barrier {
    handle: Handle<BarrierOwner>,
    /// What it was created with, once that has been asked.
    options: Arc<OnceLock<BarrierOptions>>,
}

shared_object!(Barrier, BarrierOptions);

impl Typed for Barrier {
    type Owner = BarrierOwner;

    fn of(handle: Handle<BarrierOwner>) -> Self {
        Self { handle, options: Arc::default() }
    }

    fn handle(&self) -> &Handle<BarrierOwner> {
        &self.handle
    }

    fn type_name() -> String {
        "Barrier".to_owned()
    }
}

/// The action has not returned.
struct Acting<'a> {
    handle: &'a Handle<BarrierOwner>,
    key: u64,
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        self.handle.cast(Ask::Panicked { key: self.key });
    }
}

impl Barrier {
    /// Waits until all parties are there, up to the barrier's own timeout if it has one. Which one this was, counted from zero in the order in
    /// which they came: each number comes once.
    ///
    /// # Errors
    ///
    /// [`BarrierError`].
    pub fn wait(&self) -> Result<usize, BarrierError> {
        self.wait_for(None, None::<fn()>)
    }

    /// As [`wait`](Self::wait), up to `timeout` if not all are there by then, which breaks the barrier. Zero lets only the last one through.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait); [`BarrierError::Broken`] with [`BrokenBy::TimedOut`] after `timeout`, and [`BarrierError::Unresponsive`] a second
    /// later if the owner is stopped.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, BarrierError> {
        self.wait_for(Some(timeout), None::<fn()>)
    }

    /// As [`wait`](Self::wait), with something to be done once, before anybody goes on: if this is the party that comes last it runs `action`, here and
    /// now. So have all parties bring one; others' are not run.
    ///
    /// If `action` panics, or its process is killed meanwhile, the barrier breaks; so it does if a party's timeout comes before it
    /// returns. The panic is this caller's.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait), and then `action` may have run.
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<usize, BarrierError> {
        self.wait_for(None, Some(action))
    }

    /// As [`wait_with`](Self::wait_with) and [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Errors
    ///
    /// As those.
    pub fn wait_with_timeout(&self, action: impl FnOnce(), timeout: Duration) -> Result<usize, BarrierError> {
        self.wait_for(Some(timeout), Some(action))
    }

    fn wait_for(
        &self,
        timeout: Option<Duration>,
        action: Option<impl FnOnce()>,
    ) -> Result<usize, BarrierError> {
        let timeout = match timeout {
            Some(timeout) => Some(timeout),
            None => self.options()?.timeout,
        };
        let key = random_u64();
        let mut told_by =
            timeout.and_then(|timeout| Instant::now().checked_add(timeout)?.checked_add(TOLD_WITHIN));
        let wait = self.handle.begin(Ask::Wait { key, acts: action.is_some(), timeout });
        if let Some(action) = action {
            let turn = self.handle.begin(Ask::Turn { key });
            if turn.wait(told_by)? == Reply::Act {
                self.act(key, action);
                told_by = told_by.max(told_by.and(Instant::now().checked_add(TOLD_WITHIN)));
            }
        }
        match wait.wait(told_by)? {
            Reply::Passed(index) => Ok(index as usize),
            Reply::Broken(by) => Err(BarrierError::Broken(by)),
            _ => Err(CallError::BadReply("not one to a wait".to_owned()).into()),
        }
    }

    fn act(&self, key: u64, action: impl FnOnce()) {
        let acting = Acting { handle: &self.handle, key };
        action();
        std::mem::forget(acting);
        self.handle.cast(Ask::Acted { key });
    }

    /// Breaks the barrier: all who wait there are told, and whoever comes, until it is reset.
    ///
    /// # Errors
    ///
    /// [`ObjectError`], within 60 s.
    pub fn abort(&self) -> Result<(), ObjectError> {
        self.handle.ask(Ask::Abort).map(drop)
    }

    /// Makes the barrier whole. Those who wait there meanwhile are told that it was broken by this.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn reset(&self) -> Result<(), ObjectError> {
        self.handle.ask(Ask::Reset).map(drop)
    }

    /// How many parties it waits for.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn parties(&self) -> Result<usize, ObjectError> {
        Ok(self.options()?.parties.get() as usize)
    }

    /// How many wait there now. One that was killed counts until the owner has heard of its end, which breaks the barrier.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> Result<usize, ObjectError> {
        let (_, waiting, _) = self.look()?;
        Ok(waiting as usize)
    }

    /// Whether it is broken.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn is_broken(&self) -> Result<bool, ObjectError> {
        Ok(self.broken_by()?.is_some())
    }

    /// What has broken it; none if it is whole.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn broken_by(&self) -> Result<Option<BrokenBy>, ObjectError> {
        let (_, _, broken) = self.look()?;
        Ok(broken)
    }

    fn options(&self) -> Result<BarrierOptions, ObjectError> {
        if let Some(options) = self.options.get() {
            return Ok(*options);
        }
        let (options, _, _) = self.look()?;
        Ok(*self.options.get_or_init(|| options))
    }

    fn look(&self) -> Result<(BarrierOptions, u64, Option<BrokenBy>), ObjectError> {
        match self.handle.ask(Ask::Look)? {
            Reply::Is { options, waiting, broken } => Ok((options, waiting, broken)),
            // An owner that answers another question than it was asked is of no use any more.
            _ => Err(ObjectError::Disconnected),
        }
    }
}
