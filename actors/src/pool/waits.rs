//! Waiting for several tasks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::error::TaskError;
use super::task::Task;
use crate::wait_any::{Member, WaitAny};

/// Until when [`wait`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until one is done.
    FirstDone,
    /// Until one has failed, or all are done.
    FirstFailed,
    /// Until all are done.
    AllDone,
}

/// Waits for tasks, up to `timeout`, or without end if there is none: the places of those that are done, and of those that are not.
/// A timeout is no error, and takes nothing from any.
///
/// Source: `concurrent.futures.wait` of Python.
pub fn wait<R>(tasks: &[Task<R>], until: Until, timeout: Option<Duration>) -> (Vec<usize>, Vec<usize>) {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let is_enough = |task: &Task<R>| match until {
        Until::FirstDone => task.is_done(),
        Until::FirstFailed => task.has_failed(),
        Until::AllDone => false,
    };
    let mut left: Vec<&Task<R>> = tasks.iter().filter(|task| !task.is_done() && !task.is_around()).collect();
    let enough = tasks.iter().any(is_enough);
    if let (Some(first), false) = (left.first(), enough) {
        let mut any = first.set();
        left.iter().for_each(|task| task.work_in(&mut any));
        let mut members: HashMap<Member, &Task<R>> =
            left.drain(..).map(|task| (any.add(task), task)).collect();
        while !members.is_empty() {
            let ready = first_ready(&mut any, &members, deadline);
            let Some(task) = ready.and_then(|member| members.remove(&member)) else { break };
            if is_enough(task) {
                break;
            }
        }
    }
    (0..tasks.len()).partition(|at| tasks[*at].is_done())
}

fn first_ready<R>(
    any: &mut WaitAny,
    members: &HashMap<Member, &Task<R>>,
    deadline: Option<Instant>,
) -> Option<Member> {
    // One at a time: it may be enough.
    let work = || _ = members.values().any(|task| task.do_here());
    let ready = next_done(any, work, deadline, |member| members.contains_key(&member));
    if let Some(ready) = ready {
        any.remove(ready);
    }
    ready
}

/// The next member that is a task and done. What an inline pool has to do, which is a member too, is done meanwhile.
fn next_done(
    any: &mut WaitAny,
    work: impl Fn(),
    deadline: Option<Instant>,
    is_task: impl Fn(Member) -> bool,
) -> Option<Member> {
    loop {
        work();
        let ready = match deadline {
            Some(at) => any.wait_timeout(at.saturating_duration_since(Instant::now())),
            None => any.wait(),
        }?;
        if is_task(ready) {
            return Some(ready);
        }
    }
}

/// Tasks as they are done: what came of each, with its place among those given.
///
/// Source: `concurrent.futures.as_completed` of Python.
pub fn as_completed<R>(tasks: impl IntoIterator<Item = Task<R>>) -> AsCompleted<R> {
    let tasks: Vec<Task<R>> = tasks.into_iter().collect();
    let any = tasks.first().map(Task::set);
    let mut all = AsCompleted { any, tasks: HashMap::with_capacity(tasks.len()) };
    for (at, task) in tasks.into_iter().enumerate() {
        if let Some(any) = &mut all.any {
            task.work_in(any);
            all.tasks.insert(any.add(&task), (at, task));
        }
    }
    all
}

/// Tasks as they are done, by [`as_completed`].
#[derive(Debug)]
pub struct AsCompleted<R> {
    any: Option<WaitAny>,
    tasks: HashMap<Member, (usize, Task<R>)>,
}

impl<R: DeserializeOwned> AsCompleted<R> {
    /// The next that is done, waiting up to `timeout`; none if none is by then, or if none is left: then
    /// [`is_empty`](Self::is_empty).
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(usize, Result<R, TaskError>)> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<(usize, Result<R, TaskError>)> {
        let any = self.any.as_mut()?;
        if self.tasks.is_empty() {
            return None;
        }
        let tasks = &self.tasks;
        if tasks.values().all(|(_, task)| task.is_around()) {
            let next = *tasks.keys().next()?;
            let (at, task) = self.tasks.remove(&next)?;
            return Some((at, task.result()));
        }
        let work = || _ = tasks.values().any(|(_, task)| task.do_here());
        let ready = next_done(any, work, deadline, |member| tasks.contains_key(&member))?;
        any.remove(ready);
        let (at, task) = self.tasks.remove(&ready)?;
        Some((at, task.result()))
    }
}

impl<R> AsCompleted<R> {
    /// How many are left.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<R: DeserializeOwned> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }
}
