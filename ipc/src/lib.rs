//! The door to the kernel: processes, connections, shared memory.

#![warn(clippy::unwrap_used)]

mod abort;
mod bootstrap;
mod check;
mod connection;
mod door;
pub mod fd_pass;
pub mod fence;
mod foreign;
mod fork;
mod futex;
#[cfg(any(all(test, not(loom)), fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod lane;
mod life_line;
mod link;
mod listener;
mod oom;
mod output;
mod pipe;
pub mod poller;
mod process;
mod records;
mod region;
mod ring;
mod signals;
pub mod sync;
mod system;
mod trail;
mod turn;

pub use abort::note_refused_memory;
pub use bootstrap::{Bootstrap, BootstrapError, take_bootstrap};
pub use check::{Lack, check};
pub use connection::{Connection, Handover, socket_pair};
pub use door::DOOR_FAILED_CODE;
#[doc(hidden)]
pub use door::enter_door;
pub use fd_pass::{DESCRIPTORS_PER_WRITE, Received, Sent};
pub use foreign::{Foreign, ForeignError, end_group, guard_foreign, let_go_of_outputs, start_foreign};
pub use fork::{
    Forked, Surroundings, can_be_forked, can_fork, end_server, flush_outputs, fork_sibling, lead_group,
    settle_in, surroundings, wait_for_request,
};
pub use input::InputPipe;
pub use life_line::{LifeLine, bind_forked, guard_own_group, has_parted, lead_own_group};
pub use link::{COUNTERS_PER_SIDE, Counter, LINK_BYTES, Link, Side};
pub use listener::{Accepted, Listener, Listening, connect, listeners, user_id};
pub use output::{Got, OutputPipe, gather, output_pipe};
pub use pipe::{RawPipe, fetch_aside, set_aside};
pub use poller::Bell;
pub use process::{
    Child, ChildSpec, CodeError, CodeOffset, EXECUTABLE_VARIABLE, Exit, ImageId, ProcessState, Resource,
    SpawnError, StdStream, Step, executable, exit_now, image_id, is_stopped, locate, processors, resolve,
    start, states_of, thread_count, type_hash,
};
pub use records::{MAX_RECORD_BYTES, RecordGot, RecordReceiver, RecordSender, record_socket};
pub use region::{Access, Region};
pub use ring::{MAX_BESIDE, MAX_RIGHTS, Need, RING_BYTES, Rings};
pub use signals::{QuitSignal, StopSignals};
pub use system::{
    coarse_nanos, has_room_for_a_descriptor, is_ready, memory_left, monotonic_nanos, random_u64,
    resident_bytes, send_signal, set_stdin, wait_readable,
};
pub use trail::{TRAIL_BYTES, Trail};
pub use turn::{Turn, TurnGuard};
