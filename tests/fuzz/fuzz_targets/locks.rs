//! The target `locks` of `callboard_ipc::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| callboard_ipc::fuzzing::run("locks", input));
