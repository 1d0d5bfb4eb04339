//! A function call as two offsets and a hash, and back.
//!
//! The parent sends where `f` and `run::<A, R>` lie in the program, and a hash of the names of `A` and `R`. The child,
//! which has proved to be the same program, turns the offsets into functions; `run` compares the hash
//! with its own types before it decodes anything.

use std::sync::Arc;

use callboard_core::{decode, limits};
use callboard_ipc::{CodeOffset, locate, resolve, type_hash};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::reason::SpawnError;
use crate::node::Node;
use crate::parcel::{Parcel, Rights};
use crate::runtime::Runtime;
use crate::scope::{self, Departing};

/// A call on its way to a child.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(Clone, Default))]
pub(crate) struct Call {
    function: u64,
    run: u64,
    types: u64,
    args: Parcel,
}

impl Call {
    /// The descriptors in the arguments, for a message that has others too.
    pub(crate) fn take_rights(&mut self) -> Rights {
        std::mem::take(&mut self.args.rights)
    }
}

/// The most bytes of arguments or of a value, as encoded: they share a message with little else.
pub(super) const MAX_CALL_BYTES: usize = limits::MAX_VALUE_BYTES;

/// The most descriptors of ends of pipes among the arguments: they share a message with a few others.
pub(crate) const MAX_RIGHTS: usize = limits::MAX_FRAME_DESCRIPTORS - 8;

/// What a child does with a call: decode, run, encode. The error text is a failed start.
type Run = fn(&Node, *const (), u64, &[u8], Rights) -> Result<Parcel, String>;

/// Prepares `f(args)` to be run by another process of this program; with it, what leaves with the arguments.
pub(crate) fn prepare<A, R>(f: fn(&Node, A) -> R, args: &A) -> Result<(Call, Departing), SpawnError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let (args, departing) = Parcel::pack(args).map_err(SpawnError::Arguments)?;
    check_sent(args.bytes.len(), &departing)?;
    let run: Run = run::<A, R>;
    let call = Call {
        function: locate(f as *const ()).map_err(SpawnError::Function)?.get(),
        run: locate(run as *const ()).map_err(SpawnError::Function)?.get(),
        types: types_of::<A, R>(),
        args,
    };
    Ok((call, departing))
}

/// Runs a call that the parent prepared; the encoded value, or why it could not begin.
pub(crate) fn perform(node: &Node, call: &Call, rights: Rights) -> Result<Parcel, String> {
    let find = |raw| resolve(CodeOffset::from_raw(raw)).map_err(|error| error.to_string());
    let (function, run) = (find(call.function)?, find(call.run)?);
    // SAFETY: the parent took this offset of a `Run` in the same program: the hello compared the build, and
    // `resolve` found the place inside its code.
    let run: Run = unsafe { std::mem::transmute(run) };
    run(node, function, call.types, &call.args.bytes, rights)
}

fn run<A, R>(node: &Node, f: *const (), types: u64, args: &[u8], rights: Rights) -> Result<Parcel, String>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    if types != types_of::<A, R>() {
        return Err("parent and child disagree about the types of the call".to_owned());
    }
    // SAFETY: the same call carried `f` beside this instance of `run`, whose types the hash has just
    // confirmed; `prepare` is the only place that makes such pairs, from an `fn(&Node, A) -> R`.
    let f: fn(&Node, A) -> R = unsafe { std::mem::transmute(f) };
    let args = scope::enter_with(node.runtime(), rights, || decode(args))
        .map_err(|error| format!("the arguments can't be read: {error}"))?;
    let value = f(node, args);
    // A panic has message and place, which is what the author of such a type needs.
    Ok(pack_value(&value)
        .unwrap_or_else(|why| panic!("the value that the function returned can't be sent: {why}")))
}

/// What the process of an object does with a call of a method: decode, run, encode. The error text is a refusal.
type RunMethod<T> = fn(&mut T, &Arc<Runtime>, *const (), u64, Parcel) -> Result<Parcel, String>;

/// Prepares `f(object, args)` to be run where an object of type `T` is, in a process of this same program.
pub(crate) fn prepare_method<T, A, R>(
    f: fn(&mut T, A) -> R,
    args: &A,
) -> Result<(Call, Departing), SpawnError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let (args, departing) = Parcel::pack(args).map_err(SpawnError::Arguments)?;
    check_sent(args.bytes.len(), &departing)?;
    let run: RunMethod<T> = run_method::<T, A, R>;
    let call = Call {
        function: locate(f as *const ()).map_err(SpawnError::Function)?.get(),
        run: locate(run as *const ()).map_err(SpawnError::Function)?.get(),
        types: types_of::<(&T, A), R>(),
        args,
    };
    Ok((call, departing))
}

/// Runs a method that was prepared for an object of type `T` by a process of this same program, as the caller has checked.
pub(crate) fn perform_method<T>(
    object: &mut T,
    runtime: &Arc<Runtime>,
    call: Call,
) -> Result<Parcel, String> {
    let find = |raw| resolve(CodeOffset::from_raw(raw)).map_err(|error| error.to_string());
    let (function, run) = (find(call.function)?, find(call.run)?);
    // SAFETY: another process of the same program took this offset of a `RunMethod<T>`: the request came by a handle to an
    // object of type `T`, the caller compared the build, and `resolve` found the place inside its code.
    let run: RunMethod<T> = unsafe { std::mem::transmute(run) };
    run(object, runtime, function, call.types, call.args)
}

fn run_method<T, A, R>(
    object: &mut T,
    runtime: &Arc<Runtime>,
    f: *const (),
    types: u64,
    args: Parcel,
) -> Result<Parcel, String>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    if types != types_of::<(&T, A), R>() {
        return Err("caller and object disagree about the types of the call".to_owned());
    }
    // SAFETY: the same request carried `f` beside this instance of `run_method`, whose types the hash has just confirmed;
    // `prepare_method` is the only place that makes such pairs, from an `fn(&mut T, A) -> R`.
    let f: fn(&mut T, A) -> R = unsafe { std::mem::transmute(f) };
    let args = args.unpack(runtime).map_err(|error| format!("the arguments can't be read: {error}"))?;
    let value = f(object, args);
    let packed = pack_value(&value);
    packed.map_err(|error| format!("the value that the method returned can't be sent: {error}"))
}

/// Checks a call's arguments against what can be sent.
pub(crate) fn check_sent(bytes: usize, departing: &Departing) -> Result<(), SpawnError> {
    if departing.count() > MAX_RIGHTS {
        return Err(SpawnError::TooManyEnds { descriptors: departing.count() });
    }
    if bytes > MAX_CALL_BYTES {
        return Err(SpawnError::TooLarge { bytes });
    }
    Ok(())
}

/// Encodes what was returned. What moves in it has departed: its caller is to have it, or nobody.
fn pack_value<R: Serialize>(value: &R) -> Result<Parcel, String> {
    let (packed, departing) = Parcel::pack(value).map_err(|error| error.to_string())?;
    if packed.bytes.len() > MAX_CALL_BYTES {
        return Err(format!("it takes {} bytes, and {MAX_CALL_BYTES} can be sent", packed.bytes.len()));
    }
    if departing.count() > MAX_RIGHTS {
        return Err(format!("it takes {} descriptors, and {MAX_RIGHTS} can be sent", departing.count()));
    }
    departing.depart();
    Ok(packed)
}

pub(super) fn types_of<A, R>() -> u64 {
    type_hash(std::any::type_name::<(A, R)>())
}
