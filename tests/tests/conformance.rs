//! One suite over all shared types, run with its other half in a thread, on another node, in a guest and in a process.
//!
//! A case is a function over a [`Sample`](sample::Sample) type and a [`Place`](place::Place); the macros below make a test of
//! each case, type and place, named `file::case::type::place`. What only one type does is said in a file of its own.

/// Tests of one case in every place, for one or more types if the case is for types.
macro_rules! in_every_place {
    ($case:ident) => {
        mod $case {
            use super::*;

            #[test]
            fn in_a_thread() {
                $case(Place::Thread);
            }

            #[test]
            fn on_another_node() {
                $case(Place::Node);
            }

            #[test]
            fn in_a_guest() {
                $case(Place::Guest);
            }

            #[test]
            fn in_a_process() {
                $case(Place::Process);
            }
        }
    };
    ($case:ident: $($name:ident = $of:ty),+ $(,)?) => {
        mod $case {
            use super::*;
            $(mod $name {
                use super::*;

                #[test]
                fn in_a_thread() {
                    $case::<$of>(Place::Thread);
                }

                #[test]
                fn on_another_node() {
                    $case::<$of>(Place::Node);
                }

                #[test]
                fn in_a_guest() {
                    $case::<$of>(Place::Guest);
                }

                #[test]
                fn in_a_process() {
                    $case::<$of>(Place::Process);
                }
            })+
        }
    };
}

/// Tests of one case for all types that have a verb that waits. Each call of a served object waits for its method, and
/// `served.rs` has their cases. A region has none, and that of a barrier waits for others who wait: `barriers.rs`.
macro_rules! for_every_type_that_waits {
    ($case:ident) => {
        in_every_place! { $case:
            a_queue = Queue<u64>,
            a_lifo_queue = LifoQueue<u64>,
            a_priority_queue = PriorityQueue<u64>,
            an_event = Event,
            a_counter = Counter,
            a_latch = Latch,
            a_register = Register<u64>,
            a_list = List<u64>,
            a_dict = Dict<u64, u64>,
            a_set = Set<u64>,
        }
    };
}

/// Tests of one case for all types that have names. Pipes have none, and `pipes.rs` has their cases.
macro_rules! for_every_type {
    ($case:ident) => {
        in_every_place! { $case:
            a_queue = Queue<u64>,
            a_lifo_queue = LifoQueue<u64>,
            a_priority_queue = PriorityQueue<u64>,
            an_event = Event,
            a_counter = Counter,
            a_latch = Latch,
            a_barrier = Barrier,
            a_register = Register<u64>,
            a_list = List<u64>,
            a_dict = Dict<u64, u64>,
            a_set = Set<u64>,
            a_region = Region,
            a_lock = Lock,
            a_reentrant_lock = ReentrantLock,
            a_lock_for_readers_and_writers = RwLock,
            a_semaphore = Semaphore,
            a_condition = Condition,
            a_value = Value<u64>,
            an_array = Array<u64>,
            a_served_object = Served<Vec<u64>>,
        }
    };
}

#[path = "conformance/barriers.rs"]
mod barriers;
#[path = "conformance/locks.rs"]
mod locks;
#[path = "conformance/meeting.rs"]
mod meeting;
#[path = "conformance/objects.rs"]
mod objects;
#[path = "conformance/pains.rs"]
mod pains;
#[path = "conformance/pipes.rs"]
mod pipes;
#[path = "conformance/place.rs"]
mod place;
#[path = "conformance/queues.rs"]
mod queues;
#[path = "conformance/regions.rs"]
mod regions;
#[path = "conformance/sample.rs"]
mod sample;
#[path = "conformance/served.rs"]
mod served;
#[path = "conformance/tables.rs"]
mod tables;
#[path = "conformance/values.rs"]
mod values;
#[path = "conformance/waiting.rs"]
mod waiting;

callboard::test_door!();
