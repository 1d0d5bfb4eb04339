//! Functions that a pool's workers run: as offsets and a hash, like those of a process, but found once and run often.

use std::sync::Arc;

use callboard_core::{decode, push_encoded};
use callboard_ipc::{CodeOffset, locate, resolve};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::entry::{MAX_CALL_BYTES, MAX_RIGHTS, types_of};
use super::reason::SpawnError;
use crate::parcel::Rights;
use crate::runtime::Runtime;
use crate::scope;

/// A function that workers of a pool run, as offsets in the program and a hash of its types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Routine {
    function: u64,
    enter: u64,
    types: u64,
    /// What says of a value whether it will do; zero if nothing does.
    check: u64,
}

/// A [`Routine`] in the program that runs it, of workers of type `W`.
pub(crate) struct Found<W> {
    run: RunTask<W>,
    code: Code,
}

/// Where a function is, and what says of its value whether it will do.
#[derive(Clone, Copy)]
struct Code {
    function: Function,
    check: Option<Function>,
}

/// A function of whatever type. Made of an address in this program's code, and given its type before it is called.
type Function = fn();

/// What came of a task: what moves in its value, and whether the value will do.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) rights: Rights,
    pub(crate) is_accepted: bool,
}

/// Why a task has no value, other than a panic.
#[derive(Debug)]
pub(crate) enum NoValue {
    Arguments(String),
    Value(String),
}

/// What a worker does with one task: decode, run, append the value as a byte string.
type RunTask<W> = fn(&mut W, &Arc<Runtime>, Code, Given<'_>, &mut Vec<u8>) -> Result<Returned, NoValue>;

/// Gives a `RunTask` to whoever names the hash of its types.
type Enter<W> = fn(u64) -> Option<RunTask<W>>;

/// A task's arguments. One that is alone in its message may return what moves.
pub(crate) struct Given<'a> {
    pub(crate) args: &'a [u8],
    pub(crate) rights: Rights,
    pub(crate) is_alone: bool,
}

/// A plain function as workers run it.
pub(crate) fn routine<W, A, R>(f: fn(A) -> R, check: Option<fn(&R) -> bool>) -> Result<Routine, SpawnError>
where
    A: DeserializeOwned,
    R: Serialize,
{
    locate_routine(f as *const (), enter_plain::<W, A, R>, types_of::<A, R>(), check)
}

/// A function that is given the worker it runs on.
pub(crate) fn routine_of_worker<W, A, R>(
    f: fn(&mut W, A) -> R,
    check: Option<fn(&R) -> bool>,
) -> Result<Routine, SpawnError>
where
    A: DeserializeOwned,
    R: Serialize,
{
    locate_routine(f as *const (), enter_of_worker::<W, A, R>, types_of::<(&W, A), R>(), check)
}

fn locate_routine<W, R>(
    f: *const (),
    enter: Enter<W>,
    types: u64,
    check: Option<fn(&R) -> bool>,
) -> Result<Routine, SpawnError> {
    let find = |code| locate(code).map(CodeOffset::get).map_err(SpawnError::Function);
    let check = check.map_or(Ok(0), |check| find(check as *const ()))?;
    Ok(Routine { function: find(f)?, enter: find(enter as *const ())?, types, check })
}

impl Routine {
    /// Finds it in this program, which is the one that made it, as the caller has checked.
    pub(crate) fn find<W>(self) -> Result<Found<W>, String> {
        let find = |raw| resolve(CodeOffset::from_raw(raw)).map_err(|error| error.to_string());
        let (function, enter) = (find(self.function)?, find(self.enter)?);
        let check = if self.check == 0 { None } else { Some(function_at(find(self.check)?)) };
        let function = function_at(function);
        // SAFETY: a pool of this same program took this offset of an `Enter<W>`: pools have one type of workers only, the
        // hello compared the build, and `resolve` found the place inside its code.
        let enter = unsafe { std::mem::transmute::<*const (), Enter<W>>(enter) };
        let run = enter(self.types).ok_or("pool and worker disagree about the types of the task")?;
        Ok(Found { run, code: Code { function, check } })
    }
}

fn function_at(code: *const ()) -> Function {
    // SAFETY: `resolve` found the address inside this program's code, where it was the start of a function when it was
    // taken. It is not called by this type.
    unsafe { std::mem::transmute::<*const (), Function>(code) }
}

impl<W> Found<W> {
    /// Runs it once. A panic of the function is the caller's.
    pub(crate) fn run(
        &self,
        worker: &mut W,
        runtime: &Arc<Runtime>,
        given: Given<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Returned, NoValue> {
        (self.run)(worker, runtime, self.code, given, out)
    }
}

fn enter_plain<W, A, R>(types: u64) -> Option<RunTask<W>>
where
    A: DeserializeOwned,
    R: Serialize,
{
    (types == types_of::<A, R>()).then_some(run_plain::<W, A, R>)
}

fn enter_of_worker<W, A, R>(types: u64) -> Option<RunTask<W>>
where
    A: DeserializeOwned,
    R: Serialize,
{
    (types == types_of::<(&W, A), R>()).then_some(run_of_worker::<W, A, R>)
}

fn run_plain<W, A, R>(
    _: &mut W,
    runtime: &Arc<Runtime>,
    code: Code,
    given: Given<'_>,
    out: &mut Vec<u8>,
) -> Result<Returned, NoValue>
where
    A: DeserializeOwned,
    R: Serialize,
{
    // SAFETY: `routine` alone pairs this instance of `run_plain` with a function, an `fn(A) -> R` of the types that the
    // hash confirmed when it was found.
    let f = unsafe { std::mem::transmute::<Function, fn(A) -> R>(code.function) };
    let is_alone = given.is_alone;
    let value = f(arguments(runtime, given)?);
    returned(&value, code.check, is_alone, out)
}

fn run_of_worker<W, A, R>(
    worker: &mut W,
    runtime: &Arc<Runtime>,
    code: Code,
    given: Given<'_>,
    out: &mut Vec<u8>,
) -> Result<Returned, NoValue>
where
    A: DeserializeOwned,
    R: Serialize,
{
    // SAFETY: `routine_of_worker` alone pairs this instance of `run_of_worker` with a function, an `fn(&mut W, A) -> R` of
    // the types that the hash confirmed when it was found.
    let f = unsafe { std::mem::transmute::<Function, fn(&mut W, A) -> R>(code.function) };
    let is_alone = given.is_alone;
    let args = arguments(runtime, given)?;
    returned(&f(worker, args), code.check, is_alone, out)
}

fn arguments<A: DeserializeOwned>(runtime: &Arc<Runtime>, given: Given<'_>) -> Result<A, NoValue> {
    let decoded = if given.rights.is_empty() {
        scope::enter(runtime, || decode(given.args))
    } else {
        scope::enter_with(runtime, given.rights, || decode(given.args))
    };
    decoded.map_err(|error| NoValue::Arguments(error.to_string()))
}

fn returned<R: Serialize>(
    value: &R,
    check: Option<Function>,
    is_alone: bool,
    out: &mut Vec<u8>,
) -> Result<Returned, NoValue> {
    let is_accepted = !check.is_some_and(|check| {
        // SAFETY: `routine` and `routine_of_worker` alone make routines; they pair this value's type with an
        // `fn(&R) -> bool` of the same.
        let check = unsafe { std::mem::transmute::<Function, fn(&R) -> bool>(check) };
        check(value)
    });
    let before = out.len();
    let (encoded, departing) = scope::collect(|| push_encoded(out, value));
    let bytes = encoded.map_err(|error| NoValue::Value(error.to_string()))?;
    let refused = match departing.count() {
        _ if bytes > MAX_CALL_BYTES => {
            Some(format!("it takes {bytes} bytes, and {MAX_CALL_BYTES} can be sent"))
        }
        0 => None,
        _ if !is_alone => {
            Some("ends of pipes travel only from tasks that are not in a chunk with others".to_owned())
        }
        count if count > MAX_RIGHTS => {
            Some(format!("it takes {count} descriptors, and {MAX_RIGHTS} can be sent"))
        }
        _ => None,
    };
    let rights = match refused {
        None => departing.rights().map_err(|error| error.to_string()),
        Some(why) => Err(why),
    };
    match rights {
        Ok(rights) => {
            departing.depart();
            Ok(Returned { rights, is_accepted })
        }
        Err(why) => {
            out.truncate(before);
            Err(NoValue::Value(why))
        }
    }
}
