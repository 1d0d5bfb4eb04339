//! What makes executors hang elsewhere: errors, panics, exits and kills at every place where users' code runs on the way of a task.
//!
//! Each case ends with an outcome for the task itself, and the pool does the next ones.

use std::panic::{AssertUnwindSafe, catch_unwind};

use callboard::JoinError;
use callboard::pipeline::Workers;
use callboard::pool::{Pool, PoolOptions, RunError, SubmitError, TaskError};
use callboard::testing::{job, kill, kill_self};
use callboard_tests::{PATIENCE, eventually};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_bytes::ByteBuf;

use crate::gate::{pool_of, process, square, squares};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    Error,
    Panic,
    Exit,
    Crash,
}

/// Where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Where {
    Nowhere,
    ArgumentsEncoded,
    ArgumentsDecoded,
    Function,
    ValueEncoded,
    ValueDecoded,
}

use How::{Crash, Error, Exit, Panic};
use Where::{ArgumentsDecoded, ArgumentsEncoded, Function, Nowhere, ValueDecoded, ValueEncoded};

fn happens(how: How) -> Result<(), &'static str> {
    match how {
        Error => Err("it does not want to"),
        Panic => panic!("it does not want to"),
        Exit => std::process::exit(5),
        Crash => kill_self(),
    }
}

/// Arguments in which something happens, here or in a worker.
#[derive(Debug)]
struct Arguments(Where, How);

/// A value in which something happens.
#[derive(Debug, PartialEq)]
struct Value(Where, How);

fn encode<S: Serializer>(at: Where, (place, how): (Where, How), serializer: S) -> Result<S::Ok, S::Error> {
    if place == at {
        happens(how).map_err(S::Error::custom)?;
    }
    (place, how).serialize(serializer)
}

fn decode<'de, D: Deserializer<'de>>(at: Where, deserializer: D) -> Result<(Where, How), D::Error> {
    let (place, how) = Deserialize::deserialize(deserializer)?;
    if place == at {
        happens(how).map_err(D::Error::custom)?;
    }
    Ok((place, how))
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encode(ArgumentsEncoded, (self.0, self.1), serializer)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(ArgumentsDecoded, deserializer).map(|(place, how)| Arguments(place, how))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encode(ValueEncoded, (self.0, self.1), serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(ValueDecoded, deserializer).map(|(place, how)| Value(place, how))
    }
}

fn passes(Arguments(place, how): Arguments) -> Value {
    if place == Function {
        // A function has no error of the library's own: it panics, or its value is a `Result`.
        happens(how).unwrap();
    }
    Value(place, how)
}

/// Whether an outcome is the one of something that happens there.
fn is_right(place: Where, how: How, error: &TaskError) -> bool {
    let text = error.to_string();
    match (place, how, error) {
        (_, Exit, TaskError::Died { why: JoinError::Exited(5), .. })
        | (_, Crash, TaskError::Died { why: JoinError::Signalled { signal: 9, .. }, .. }) => true,
        (Function, Error | Panic, TaskError::Panicked(panic)) => panic.message.contains("does not want to"),
        (ArgumentsDecoded | ValueEncoded, Panic, TaskError::Panicked(_))
        | (ArgumentsDecoded, Error, TaskError::Arguments(_))
        | (ValueEncoded, Error, TaskError::Value(_))
        | (ValueDecoded, Error, TaskError::BadValue(_)) => text.contains("does not want to"),
        _ => false,
    }
}

#[track_caller]
fn goes_on(pool: &Pool) {
    assert_eq!(pool.apply(square, 9).unwrap(), 81);
    assert_eq!(pool.map(square, 0..50).unwrap(), squares(0..50));
}

/// > Whatever happens while a worker decodes arguments, runs the function or encodes the value is that task's outcome.
///
/// In one task amid others, handed in by itself and as one of many.
fn fails_alone(mode: Workers, place: Where, how: How) {
    let job = job();
    for workers in [1, 2] {
        let pool = pool_of(&job, mode, workers);
        let before: Vec<_> = (0..20).map(|n| pool.submit(square, n).unwrap()).collect();
        let task = pool.submit(passes, Arguments(place, how)).unwrap();
        let after: Vec<_> = (0..20).map(|n| pool.submit(square, n).unwrap()).collect();
        let error = task.result().expect_err("it has no value");
        assert!(is_right(place, how, &error), "{place:?} {how:?}: {error:?}");
        for (n, task) in before.into_iter().chain(after).enumerate() {
            assert_eq!(task.result(), Ok(square(n as u64 % 20)), "{place:?} {how:?}");
        }
        goes_on(&pool);
        for chunk in [1, 5] {
            let inputs =
                (0..20).map(|n| if n == 7 { Arguments(place, how) } else { Arguments(Nowhere, how) });
            let outcomes = pool.each(passes, inputs).chunk(chunk).outcomes().unwrap();
            assert_eq!(outcomes.len(), 20);
            for (n, outcome) in outcomes.into_iter().enumerate() {
                match outcome {
                    Ok(value) => assert!(n != 7 && value == Value(Nowhere, how), "{n} of chunks of {chunk}"),
                    Err(error) if n == 7 => {
                        assert!(is_right(place, how, &error), "{place:?} {how:?}: {error:?}");
                    }
                    Err(error) => panic!("{n}: {error:?}"),
                }
            }
            goes_on(&pool);
        }
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Arguments that can't be encoded are refused where they are handed in, by an error or with their own panic.
#[test]
fn arguments_that_can_not_be_encoded_are_refused_at_once() {
    let job = job();
    for mode in [Workers::Processes, Workers::Threads, Workers::Inline] {
        let pool = pool_of(&job, mode, 2);
        let refused = pool.submit(passes, Arguments(ArgumentsEncoded, Error));
        assert!(matches!(refused, Err(SubmitError::Arguments(_))), "{mode:?}: {refused:?}");
        let submits = || pool.submit(passes, Arguments(ArgumentsEncoded, Panic)).is_ok();
        assert!(catch_unwind(AssertUnwindSafe(submits)).is_err());
        let mapped = pool.map(passes, [Arguments(ArgumentsEncoded, Error)]);
        assert!(matches!(mapped, Err(RunError::Submit(SubmitError::Arguments(_)))), "{mode:?}");
        goes_on(&pool);
    }
}

macro_rules! fails_alone {
    ($($case:ident: $place:ident $how:ident;)+) => {
        $(#[test]
        fn $case() {
            fails_alone(Workers::Processes, $place, $how);
        })+
    };
}

fails_alone! {
    an_error_while_arguments_are_decoded: ArgumentsDecoded Error;
    a_panic_while_arguments_are_decoded: ArgumentsDecoded Panic;
    an_exit_while_arguments_are_decoded: ArgumentsDecoded Exit;
    a_crash_while_arguments_are_decoded: ArgumentsDecoded Crash;
    a_panic_in_the_function: Function Panic;
    an_exit_in_the_function: Function Exit;
    a_crash_in_the_function: Function Crash;
    an_error_while_the_value_is_encoded: ValueEncoded Error;
    a_panic_while_the_value_is_encoded: ValueEncoded Panic;
    an_exit_while_the_value_is_encoded: ValueEncoded Exit;
    a_crash_while_the_value_is_encoded: ValueEncoded Crash;
}

/// > In threads errors and panics on the way of a task are its outcome too.
#[test]
fn what_happens_in_threads_is_the_outcome_too() {
    for place in [ArgumentsDecoded, Function, ValueEncoded] {
        for how in [Error, Panic] {
            fails_alone(Workers::Threads, place, how);
        }
    }
    fails_alone(Workers::Threads, ValueDecoded, Error);
}

/// > A value that can't be decoded by whoever asks for it fails that task alone; a panic on the way is theirs.
#[test]
fn a_value_that_can_not_be_decoded_fails_its_task_and_the_next_is_done() {
    fails_alone(Workers::Processes, ValueDecoded, Error);
    let job = job();
    let pool = pool_of(&job, Workers::Processes, 1);
    let task = pool.submit(passes, Arguments(ValueDecoded, Panic)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| task.result())).is_err());
    goes_on(&pool);
    // On the thread of call-backs it harms nobody, and the next call comes.
    let (told, heard) = std::sync::mpsc::channel();
    pool.submit(passes, Arguments(ValueDecoded, Panic)).unwrap().on_done(drop);
    pool.submit(square, 6).unwrap().on_done(move |value| told.send(value).unwrap());
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), Ok(36));
    let mapped = pool.map(passes, [Arguments(ValueDecoded, Error)]);
    assert!(matches!(mapped, Err(RunError::Task(TaskError::BadValue(_)))), "{mapped:?}");
    let mapped =
        catch_unwind(AssertUnwindSafe(|| pool.map(passes, [Arguments(ValueDecoded, Panic)]).is_ok()));
    assert!(mapped.is_err());
    goes_on(&pool);
    assert!(pool.shutdown(PATIENCE));
}

/// > A pool that is shut down while a worker crashes ends, and its tasks have their outcomes.
#[test]
fn a_pool_that_is_shut_down_during_a_crash_ends() {
    let job = job();
    for round in 0..20 {
        let pool = pool_of(&job, Workers::Processes, 2);
        let crash = pool.submit(passes, Arguments(Function, Crash)).unwrap();
        let refused = pool.submit(passes, Arguments(ArgumentsEncoded, Error));
        assert!(refused.is_err());
        let others: Vec<_> = (0..20).map(|n| pool.submit(square, n).unwrap()).collect();
        if round % 2 == 0 {
            assert!(pool.shutdown(PATIENCE));
            for (n, task) in others.into_iter().enumerate() {
                assert_eq!(task.result(), Ok(square(n as u64)));
            }
            assert!(is_right(Function, Crash, &crash.result().unwrap_err()));
        } else {
            drop(pool);
            assert!(crash.result().is_err());
            for (n, task) in others.into_iter().enumerate() {
                let outcome = task.result();
                assert!([Ok(square(n as u64)), Err(TaskError::Cancelled)].contains(&outcome), "{outcome:?}");
            }
        }
    }
}

/// > A worker that crashes with megabytes of arguments on their way to it fails its own task; what was on its way is done.
#[test]
fn a_crash_with_large_arguments_on_their_way_fails_its_task_alone() {
    fn length(bytes: ByteBuf) -> usize {
        bytes.len()
    }
    let job = job();
    for workers in [1, 3] {
        let pool = pool_of(&job, Workers::Processes, workers);
        for _ in 0..3 {
            let crash = pool.submit(passes, Arguments(Function, Crash)).unwrap();
            let large: Vec<_> = (0..10)
                .map(|n| pool.submit(length, ByteBuf::from(vec![1; (1 << 20) + n])).unwrap())
                .collect();
            assert!(is_right(Function, Crash, &crash.result().unwrap_err()));
            for (n, task) in large.into_iter().enumerate() {
                assert_eq!(task.result(), Ok((1 << 20) + n));
            }
        }
        assert!(pool.shutdown(PATIENCE));
    }
}

/// > Many tasks handed in at once while workers are killed make nobody wait for ever.
#[test]
fn a_flood_of_submissions_while_workers_are_killed_does_not_hang() {
    let job = job();
    let pool = job.pool(PoolOptions::new().workers(2).capacity(1000, 1 << 20)).unwrap();
    let (mut values, mut errors) = (0, 0);
    for _ in 0..5 {
        eventually("a worker is there", || !pool.pids().is_empty());
        let tasks: Vec<_> = (0..20_000)
            .map(|n| {
                if n % 5_000 == 2_500 {
                    pool.pids().into_iter().for_each(kill);
                }
                pool.submit(process, ()).unwrap()
            })
            .collect();
        for task in tasks {
            match task.result() {
                Ok(_) => values += 1,
                Err(TaskError::Died { .. }) => errors += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(values + errors == 100_000 && values > errors, "{values} values, {errors} errors");
    goes_on(&pool);
    assert!(pool.shutdown(PATIENCE));
}
