//! One function over many inputs: in chunks, as far ahead of whoever takes the values as that is worth, and no further.
//!
//! Everything happens in the thread of whoever takes the values: it reads inputs, encodes and hands in chunks, and decodes what
//! comes back. So an endless input costs no more memory than a short one.

mod arrivals;
mod flow;
mod pace;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use self::flow::Flow;
use self::pace::Pace;
use super::Pool;
use super::error::{RunError, SubmitError, TaskError};
use super::retry::Retries;
use super::submission::Function;
use super::work::Terms;

/// How far a [`Mapping`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many inputs are done, failed ones included.
    pub done: u64,
    /// How many of these have failed.
    pub failed: u64,
    /// How many there are, if the source of the inputs says so.
    pub total: Option<u64>,
}

type Hook<'p> = Box<dyn FnMut(Progress) + 'p>;

/// One function over many inputs, by [`Pool::each`]: taken [in order](Self::ordered), [as they come](Self::unordered), or all
/// [at once](Self::collect).
///
/// Light tasks travel in chunks, sized by what they are measured to cost: at first one by one, then as many as take half a
/// millisecond. If a worker is killed, those of its chunk that it had done and not told of fail too, unless they are tried again; with
/// [`chunk(1)`](Self::chunk) there are hardly any. Inputs are read as far ahead of the values taken as keeps all workers busy, so an endless source is fine.
/// Dropped before its end, what has not begun is not done.
///
/// ```
/// use callboard::pool::PoolOptions;
///
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = callboard::Node::start()?;
/// let pool = node.pool(PoolOptions::new().workers(2))?;
/// // An input without an end.
/// let mut first = 0;
/// for square in pool.each(|n: u64| n * n, 1..).ordered() {
///     first = square?;
///     if first > 100 {
///         break;
///     }
/// }
/// assert_eq!(first, 121);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before the values are taken"]
pub struct Mapping<'p, A, R, I> {
    pool: &'p Pool,
    function: Function<A, R>,
    inputs: I,
    terms: Terms,
    check: Option<fn(&R) -> bool>,
    pace: Pace,
    progress: Option<Hook<'p>>,
}

impl<'p, A, R, I: Iterator<Item = A>> Mapping<'p, A, R, I> {
    pub(super) fn new(pool: &'p Pool, function: Function<A, R>, inputs: I) -> Self {
        let terms = pool.terms;
        let pace = Pace::new(pool.max, pool.tasks_a_life);
        Self { pool, function, inputs, terms, check: None, pace, progress: None }
    }

    /// So many inputs in a chunk, whatever they cost, up to 32 KiB of them; zero counts as one. A chunk is done by one worker, in
    /// order, unless another has nothing to do: then that gets what of it has not begun. Tasks with a time
    /// limit and those that something moves with travel one by one all the same.
    #[doc(alias = "chunksize")]
    pub fn chunk(mut self, inputs: usize) -> Self {
        self.pace.fixed = Some(inputs.max(1));
        self
    }

    /// Reads at most so many inputs beyond those whose values were taken; zero counts as one. By default as many as keep the
    /// workers busy.
    #[doc(alias = "buffersize")]
    pub fn ahead(mut self, inputs: usize) -> Self {
        self.pace.ahead = Some(inputs.max(1));
        self
    }

    /// As [`Submission::priority`](super::Submission::priority).
    pub fn priority(mut self, priority: i32) -> Self {
        self.terms.priority = priority;
        self
    }

    /// As [`Submission::time_limit`](super::Submission::time_limit), for each input.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.terms.limit = Some(limit);
        self
    }

    /// When an input is tried again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.terms.retries = retries;
        self
    }

    /// As [`Submission::retry_if`](super::Submission::retry_if), for each input.
    pub fn retry_if(mut self, unsatisfied: fn(&R) -> bool) -> Self {
        self.check = Some(unsatisfied);
        self
    }

    /// Calls `hook` when values have come, in the thread that takes them. One set before is dropped. With the feature `progress`
    /// there is a ready one, `progress_bar`.
    pub fn progress(mut self, hook: impl FnMut(Progress) + 'p) -> Self {
        self.progress = Some(Box::new(hook));
        self
    }
}

impl<'p, A, R, I> Mapping<'p, A, R, I>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    fn flow(self) -> Result<Flow<'p, R, I>, SubmitError> {
        let routine = self.function.routine(self.check)?;
        let mut pace = self.pace;
        if self.terms.limit.is_some() {
            pace.fixed = Some(1);
        }
        Ok(Flow::new(self.pool, routine, self.inputs, self.terms, pace, self.progress))
    }

    /// The values, or why there is none, in the order of the inputs.
    #[doc(alias = "imap")]
    pub fn ordered(self) -> Ordered<'p, R, I> {
        match self.flow() {
            Ok(flow) => Ordered { flow: Some(flow), next: 0, early: BTreeMap::new(), refused: None },
            Err(error) => Ordered { flow: None, next: 0, early: BTreeMap::new(), refused: Some(error) },
        }
    }

    /// The values, or why there is none, as they come, each with the number of its input, from zero.
    #[doc(alias = "imap_unordered")]
    pub fn unordered(self) -> Unordered<'p, R, I> {
        match self.flow() {
            Ok(flow) => Unordered { flow: Some(flow), refused: None },
            Err(error) => Unordered { flow: None, refused: Some(error) },
        }
    }

    /// All values, in the order of the inputs. The first that fails ends it: what has not begun is not done.
    ///
    /// # Errors
    ///
    /// [`RunError`], of the first input, in time, that failed.
    pub fn collect(self) -> Result<Vec<R>, RunError> {
        let mut values: Vec<Option<R>> = Vec::with_capacity(self.inputs.size_hint().0.min(1 << 20));
        for (at, value) in self.unordered() {
            put(&mut values, at, value?);
        }
        Ok(values.into_iter().flatten().collect())
    }

    /// What came of each input, in their order: no failure ends it, but that the pool takes no more. An input that can't be sent has
    /// [`TaskError::Arguments`].
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub fn outcomes(self) -> Result<Vec<Result<R, TaskError>>, SubmitError> {
        let mut all = Vec::new();
        for (at, value) in self.unordered() {
            match value {
                Ok(value) => put(&mut all, at, Ok(value)),
                Err(RunError::Task(error)) => put(&mut all, at, Err(error)),
                Err(RunError::Submit(SubmitError::Arguments(error))) => {
                    put(&mut all, at, Err(TaskError::Arguments(error.to_string())));
                }
                Err(RunError::Submit(SubmitError::Call(error))) => {
                    put(&mut all, at, Err(TaskError::Arguments(error.to_string())));
                }
                Err(RunError::Submit(error)) => return Err(error),
            }
        }
        Ok(all.into_iter().flatten().collect())
    }
}

fn put<T>(values: &mut Vec<Option<T>>, at: u64, value: T) {
    let at = at as usize;
    if values.len() <= at {
        values.resize_with(at + 1, || None);
    }
    values[at] = Some(value);
}

/// What comes of a mapping, as it comes, by [`Mapping::unordered`].
pub struct Unordered<'p, R, I> {
    flow: Option<Flow<'p, R, I>>,
    refused: Option<SubmitError>,
}

impl<A, R, I> Unordered<'_, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    /// The next, waiting up to `timeout`; none if none has come by then, or if there is no more: then
    /// [`is_over`](Self::is_over).
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(u64, Result<R, RunError>)> {
        if let Some(error) = self.refused.take() {
            return Some((0, Err(error.into())));
        }
        self.flow.as_mut()?.next_value(std::time::Instant::now().checked_add(timeout))
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        self.refused.is_none() && self.flow.as_ref().is_none_or(Flow::is_over)
    }
}

impl<A, R, I> Iterator for Unordered<'_, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = (u64, Result<R, RunError>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            return Some((0, Err(error.into())));
        }
        self.flow.as_mut()?.next_value(None)
    }
}

/// What comes of a mapping, in the order of its inputs, by [`Mapping::ordered`].
pub struct Ordered<'p, R, I> {
    flow: Option<Flow<'p, R, I>>,
    /// The number of the next.
    next: u64,
    /// What has come before it.
    early: BTreeMap<u64, Result<R, RunError>>,
    refused: Option<SubmitError>,
}

impl<A, R, I> Ordered<'_, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    /// The next in order, waiting up to `timeout`; none if it has not come by then, or if there is no more: then
    /// [`is_over`](Self::is_over).
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<R, RunError>> {
        self.next_until(std::time::Instant::now().checked_add(timeout))
    }

    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        self.refused.is_none() && self.early.is_empty() && self.flow.as_ref().is_none_or(Flow::is_over)
    }

    fn next_until(&mut self, deadline: Option<std::time::Instant>) -> Option<Result<R, RunError>> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error.into()));
        }
        let flow = self.flow.as_mut()?;
        loop {
            if let Some(value) = self.early.remove(&self.next) {
                self.next += 1;
                flow.is_held(self.early.len());
                return Some(value);
            }
            let (at, value) = flow.next_value(deadline)?;
            if at == self.next {
                self.next += 1;
                return Some(value);
            }
            self.early.insert(at, value);
            flow.is_held(self.early.len());
        }
    }
}

impl<A, R, I> Iterator for Ordered<'_, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = Result<R, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }
}

impl<A, R, I> fmt::Debug for Mapping<'_, A, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping<{}>", std::any::type_name::<R>())
    }
}

impl<R, I> fmt::Debug for Unordered<'_, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unordered<{}>", std::any::type_name::<R>())
    }
}

impl<R, I> fmt::Debug for Ordered<'_, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ordered<{}>(next: {})", std::any::type_name::<R>(), self.next)
    }
}
