//! The target `group` of `callboard::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| callboard::fuzzing::run("group", input));
