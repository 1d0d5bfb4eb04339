//! Shared memory of any size, which lives as long as anybody has it.
//!
//! Its owner lives at the root of the job, whoever created it: so it outlives its creator, as long as others have it. `root` makes it
//! there, with memory that its creator has reserved. The owner keeps the descriptor, maps nothing, and knows who has the memory:
//! the node that created it, until that closes it, and each that has it mapped. To have it mapped is a question that the owner never
//! answers (`wire`): whoever ends, or unmaps it, takes its question back. Nobody can forget that, however they are killed.

mod error;
mod handle;
mod mapping;
mod options;
mod owner;
mod root;
#[cfg(test)]
mod simulated;
mod view;
mod wire;

pub use self::error::{AccessError, RegionError, UnlinkError};
pub use self::handle::Region;
pub use self::mapping::{MapAccess, Mapping, ReadOnly, ReadWrite};
pub use self::options::RegionOptions;
#[cfg(any(test, fuzzing))]
pub(crate) use self::wire::TRIPS;

#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(draw: crate::fuzzing::Draw<'_>) {
    let owner = owner::RegionOwner::without_memory(crate::fuzzing::node(0));
    crate::fuzzing::play(owner, draw, owner::RegionOwner::check);
}

pub(crate) use self::root::{REGIONS, RegionsCell};
pub use self::view::View;
