//! What pools owe to the test suites of Python's `multiprocessing.Pool` and `concurrent.futures`; CONFORMANCE.md has the table.
//!
//! A case is a function of the way the workers run; the macros below make a test of each case and way, named `file::case::way`.

/// Tests of each case with workers that are processes and with threads.
macro_rules! in_processes_and_threads {
    ($($case:ident),+ $(,)?) => {
        $(mod $case {
            use callboard::pipeline::Workers;

            #[test]
            fn in_processes() {
                super::$case(Workers::Processes);
            }

            #[test]
            fn in_threads() {
                super::$case(Workers::Threads);
            }
        })+
    };
}

/// The same, and with the calling thread as the only worker.
macro_rules! in_every_way {
    ($($case:ident),+ $(,)?) => {
        $(mod $case {
            use callboard::pipeline::Workers;

            #[test]
            fn in_processes() {
                super::$case(Workers::Processes);
            }

            #[test]
            fn in_threads() {
                super::$case(Workers::Threads);
            }

            #[test]
            fn inline() {
                super::$case(Workers::Inline);
            }
        })+
    };
}

#[path = "pool_conformance/call_backs.rs"]
mod call_backs;
#[path = "pool_conformance/deadlocks.rs"]
mod deadlocks;
#[path = "pool_conformance/drains.rs"]
mod drains;
#[path = "pool_conformance/executors.rs"]
mod executors;
#[path = "pool_conformance/faults.rs"]
mod faults;
#[path = "pool_conformance/futures.rs"]
mod futures;
#[path = "pool_conformance/gate.rs"]
mod gate;
#[path = "pool_conformance/pools.rs"]
mod pools;
#[path = "pool_conformance/shutdowns.rs"]
mod shutdowns;

callboard::test_door!();
