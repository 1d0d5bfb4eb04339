//! A function call as two offsets and a hash, and back.
//!
//! The parent sends where `f` and `run::<A, R>` lie in the program, and a hash of the names of `A` and `R`. The child,
//! which has proved to be the same program, turns the offsets into functions; `run` compares the hash
//! with its own types before it decodes anything.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use callboard_core::{decode, encode_into, limits};
use callboard_ipc::{CodeOffset, locate, resolve, type_hash};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::reason::SpawnError;
use crate::node::Node;
use crate::runtime::Runtime;
use crate::scope::{self, Departing};

/// A call on its way to a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    function: u64,
    run: u64,
    types: u64,
    args: ByteBuf,
}

/// The most bytes of arguments or of a value, as encoded: they share a message with little else.
pub(super) const MAX_CALL_BYTES: usize = limits::MAX_VALUE_BYTES;

/// The most descriptors of ends of pipes among the arguments: they share a message with a few others.
pub(super) const MAX_RIGHTS: usize = limits::MAX_FRAME_DESCRIPTORS - 8;

/// What a child does with a call: decode, run, encode. The error text is a failed start.
type Run = fn(&Node, *const (), u64, &[u8], VecDeque<OwnedFd>) -> Result<Vec<u8>, String>;

/// Prepares `f(args)` to be run by another process of this program; with it, what leaves with the arguments.
pub(crate) fn prepare<A, R>(f: fn(&Node, A) -> R, args: &A) -> Result<(Call, Departing), SpawnError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let mut bytes = Vec::new();
    let (encoded, departing) = scope::collect(|| encode_into(args, &mut bytes));
    encoded.map_err(SpawnError::Arguments)?;
    if departing.count() > MAX_RIGHTS {
        return Err(SpawnError::TooManyEnds { descriptors: departing.count() });
    }
    if bytes.len() > MAX_CALL_BYTES {
        return Err(SpawnError::TooLarge { bytes: bytes.len() });
    }
    let run: Run = run::<A, R>;
    let call = Call {
        function: locate(f as *const ()).map_err(SpawnError::Function)?.get(),
        run: locate(run as *const ()).map_err(SpawnError::Function)?.get(),
        types: types_of::<A, R>(),
        args: ByteBuf::from(bytes),
    };
    Ok((call, departing))
}

/// Runs a call that the parent prepared; the encoded value, or why it could not begin.
pub(crate) fn perform(node: &Node, call: &Call, rights: VecDeque<OwnedFd>) -> Result<Vec<u8>, String> {
    let find = |raw| resolve(CodeOffset::from_raw(raw)).map_err(|error| error.to_string());
    let (function, run) = (find(call.function)?, find(call.run)?);
    // SAFETY: the parent took this offset of a `Run` in the same program: the hello compared the build, and
    // `resolve` found the place inside its code.
    let run: Run = unsafe { std::mem::transmute(run) };
    run(node, function, call.types, &call.args, rights)
}

fn run<A, R>(
    node: &Node,
    f: *const (),
    types: u64,
    args: &[u8],
    rights: VecDeque<OwnedFd>,
) -> Result<Vec<u8>, String>
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
    let args = scope::enter_with(node.runtime(), Vec::from(rights), || decode(args))
        .map_err(|error| format!("the arguments can't be read: {error}"))?;
    let value = f(node, args);
    let mut bytes = Vec::new();
    match encode_into(&value, &mut bytes) {
        Ok(_) if bytes.len() > MAX_CALL_BYTES => panic!(
            "the value that the function returned takes {} bytes, and {MAX_CALL_BYTES} can be sent",
            bytes.len()
        ),
        Ok(_) => Ok(bytes),
        // A panic has message and place, which is what the author of such a type needs.
        Err(error) => panic!("the value that the function returned can't be sent: {error}"),
    }
}

/// What the process of an object does with a call of a method: decode, run, encode. The error text is a refusal.
type RunMethod<T> = fn(&mut T, &Arc<Runtime>, *const (), u64, &[u8]) -> Result<Vec<u8>, String>;

/// Prepares `f(object, args)` to be run where an object of type `T` is, in a process of this same program.
pub(crate) fn prepare_method<T, A, R>(f: fn(&mut T, A) -> R, args: &A) -> Result<Call, SpawnError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let mut bytes = Vec::new();
    scope::plain(|| encode_into(args, &mut bytes)).map_err(SpawnError::Arguments)?;
    if bytes.len() > MAX_CALL_BYTES {
        return Err(SpawnError::TooLarge { bytes: bytes.len() });
    }
    let run: RunMethod<T> = run_method::<T, A, R>;
    Ok(Call {
        function: locate(f as *const ()).map_err(SpawnError::Function)?.get(),
        run: locate(run as *const ()).map_err(SpawnError::Function)?.get(),
        types: types_of::<(&T, A), R>(),
        args: ByteBuf::from(bytes),
    })
}

/// Runs a method that was prepared for an object of type `T` by a process of this same program, as the caller has checked.
pub(crate) fn perform_method<T>(
    object: &mut T,
    runtime: &Arc<Runtime>,
    call: &Call,
) -> Result<Vec<u8>, String> {
    let find = |raw| resolve(CodeOffset::from_raw(raw)).map_err(|error| error.to_string());
    let (function, run) = (find(call.function)?, find(call.run)?);
    // SAFETY: another process of the same program took this offset of a `RunMethod<T>`: the request came by a handle to an
    // object of type `T`, the caller compared the build, and `resolve` found the place inside its code.
    let run: RunMethod<T> = unsafe { std::mem::transmute(run) };
    run(object, runtime, function, call.types, &call.args)
}

fn run_method<T, A, R>(
    object: &mut T,
    runtime: &Arc<Runtime>,
    f: *const (),
    types: u64,
    args: &[u8],
) -> Result<Vec<u8>, String>
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
    let args = scope::enter(runtime, || decode(args));
    let args = args.map_err(|error| format!("the arguments can't be read: {error}"))?;
    let value = f(object, args);
    let mut bytes = Vec::new();
    let encoded = encode_into(&value, &mut bytes);
    encoded.map_err(|error| format!("the value that the method returned can't be sent: {error}"))?;
    if bytes.len() > MAX_CALL_BYTES {
        return Err(format!("the value takes {} bytes, and {MAX_CALL_BYTES} can be sent", bytes.len()));
    }
    Ok(bytes)
}

fn types_of<A, R>() -> u64 {
    type_hash(std::any::type_name::<(A, R)>())
}
