//! The region as users hold it.

use std::fmt;

use callboard_core::Address;
use callboard_ipc::Region as Memory;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{RegionError, UnlinkError};
use super::mapping::{MapAccess, Mapping, ReadOnly, ReadWrite};
use super::options::RegionOptions;
use super::owner::RegionOwner;
use super::root;
use super::wire::{Ask, Made, Reply};
use crate::call::CallError;
use crate::names::{NameError, Object, Unbuilt, sealed::Sealed};
use crate::node::Node;
use crate::protocol::object::Handle;
use crate::protocol::travel;

/// Memory that processes of a job share, of any size.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. Whoever wants to read
/// or write [maps](Self::map) the region.
///
/// **How long it lives.** As long as any node has it: the one that created it, until it [closes](Self::close) it or ends; and each that has
/// it mapped. A node that only opened it, or has a handle, does not have it. With the last who has it the memory is gone, and
/// the name is free, whoever was killed; nothing is left in the system. Whoever attaches and leaves changes nothing for the others.
/// The name leads to it as long as it lives, unless it is taken away by [`unlink`](Self::unlink).
///
/// **What there is, there is.** The memory is reserved when the region is created, by the node that creates it, so a system without room is
/// an error then, and no signal later. It begins zeroed.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Failure, Node, Region, RegionOptions};
///
/// fn doubles(node: &Node, name: String) -> Result<(), Failure> {
///     let mapping = node.open::<Region>(&name)?.map()?;
///     let numbers = mapping.view::<u64>()?;
///     for (index, number) in numbers.iter().enumerate() {
///         numbers.set(index, 2 * number)?;
///     }
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let region: Region = node.create("/numbers", RegionOptions::new(3 * size_of::<u64>()))?;
/// let mapping = region.map()?;
/// mapping.view::<u64>()?.copy_from_slice(&[1, 2, 3])?;
/// node.spawn("doubles", doubles, "/numbers".to_owned())?.join()??;
/// assert_eq!(mapping.view::<u64>()?.copy_to_vec(), [2, 4, 6]);
/// # Ok(())
/// # }
/// ```
///
/// A region without a name is made by [`Region::anonymous`]. [`Node::anonymous`] makes one too, for code that is generic over
/// objects: as it returns no error, every verb of a region that could not be made does.
///
/// Source: `SharedMemory` of Python's `multiprocessing`, which is destroyed by whoever attaches to it and ends first.
#[doc(alias = "SharedMemory")]
pub struct Region {
    handle: Handle<RegionOwner>,
    /// Why it could not be made.
    fault: Option<RegionError>,
}

impl Region {
    /// Creates a region without a name; hand it on as a value.
    ///
    /// # Errors
    ///
    /// [`RegionError::System`] if there is no room for it, or its size can't be; [`RegionError::Disconnected`],
    /// [`RegionError::Unresponsive`], and then it is not there, even if the root goes on later.
    pub fn anonymous(node: &Node, options: RegionOptions) -> Result<Self, RegionError> {
        match root::make(node.runtime(), options.size_bytes, None)? {
            Made::At(address) => Ok(Self::at(node, address)),
            Made::Stands(entry) => unreachable!("without a name it met {entry:?}"),
        }
    }

    /// Maps the region, to be read and written. This node has it as long as the mapping is there.
    ///
    /// Two mappings of one region are the same memory at different places.
    ///
    /// # Errors
    ///
    /// [`RegionError`].
    pub fn map(&self) -> Result<Mapping, RegionError> {
        self.map_for::<ReadWrite>()
    }

    /// Maps the region, to be read.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    pub fn map_read_only(&self) -> Result<Mapping<ReadOnly>, RegionError> {
        self.map_for::<ReadOnly>()
    }

    fn map_for<A: MapAccess>(&self) -> Result<Mapping<A>, RegionError> {
        self.is_made()?;
        let held = self.handle.begin(Ask::Hold { by: self.handle.runtime.id });
        // Asked behind it, and so answered by a region that this node has.
        let Reply::Memory { size_bytes, memory } = self.ask(Ask::Memory)? else {
            return Err(not_an_answer());
        };
        if !held.is_open() {
            return match held.wait(None)? {
                Reply::TooMany => Err(RegionError::TooManyMappings),
                Reply::Gone => Err(RegionError::Gone),
                _ => Err(not_an_answer()),
            };
        }
        let descriptor = memory.rights.into_owned()?.pop().ok_or_else(not_an_answer)?;
        let size = usize::try_from(size_bytes).map_err(|_| not_an_answer())?;
        Ok(Mapping::new(Memory::open_for(&descriptor, size, A::ACCESS)?, held))
    }

    /// The size of the region, as it was asked for.
    ///
    /// # Errors
    ///
    /// [`RegionError`].
    pub fn size_bytes(&self) -> Result<usize, RegionError> {
        let (size_bytes, _) = self.look()?;
        usize::try_from(size_bytes).map_err(|_| not_an_answer())
    }

    /// How many nodes have it: its creator, if it has not closed it, and those that have it mapped, each counted once. One that was
    /// killed counts until the root has heard of its end.
    ///
    /// # Errors
    ///
    /// [`RegionError`].
    pub fn holders(&self) -> Result<usize, RegionError> {
        let (_, holders) = self.look()?;
        usize::try_from(holders).map_err(|_| not_an_answer())
    }

    /// The node that created it needs it no longer: it goes with the last who has it mapped, now if there is none. On other nodes,
    /// and for one that is gone, this changes nothing.
    ///
    /// # Errors
    ///
    /// [`RegionError::Disconnected`], [`RegionError::Unresponsive`].
    pub fn close(&self) -> Result<(), RegionError> {
        match self.ask(Ask::Close { by: self.handle.runtime.id, key: None }) {
            Ok(Reply::Done) | Err(RegionError::Gone) => Ok(()),
            Ok(_) => Err(not_an_answer()),
            Err(error) => Err(error),
        }
    }

    /// Takes the region's name away, which is free when this returns. Those who have the region, or a handle, go on with it.
    ///
    /// # Errors
    ///
    /// [`UnlinkError::NoName`] if it has none, for instance the second time.
    pub fn unlink(&self) -> Result<(), UnlinkError> {
        match self.ask(Ask::Unlink)? {
            Reply::Done => Ok(()),
            Reply::NoName => Err(UnlinkError::NoName),
            _ => Err(not_an_answer().into()),
        }
    }

    fn look(&self) -> Result<(u64, u64), RegionError> {
        match self.ask(Ask::Look)? {
            Reply::Is { size_bytes, holders } => Ok((size_bytes, holders)),
            _ => Err(not_an_answer()),
        }
    }

    fn ask(&self, ask: Ask) -> Result<Reply, RegionError> {
        self.is_made()?;
        match self.handle.ask_call(ask) {
            Ok(Reply::Gone) => Err(RegionError::Gone),
            Ok(reply) => Ok(reply),
            // The root can't lose itself: what is not there is gone.
            Err(CallError::Disconnected) if self.is_here() => Err(RegionError::Gone),
            Err(error) => Err(error.into()),
        }
    }

    fn is_here(&self) -> bool {
        self.handle.address.node == self.handle.runtime.id
    }

    fn is_made(&self) -> Result<(), RegionError> {
        self.fault.clone().map_or(Ok(()), Err)
    }
}

/// The root answers another question than it was asked: it is of another version.
fn not_an_answer() -> RegionError {
    std::io::Error::other("the root of the job gave an answer that is none").into()
}

impl Sealed for Region {}

impl Object for Region {
    type Options = RegionOptions;

    fn build(node: &Node, options: RegionOptions) -> Self {
        Self::anonymous(node, options).unwrap_or_else(|fault| {
            // Nobody is there.
            let nowhere = Address { node: node.id(), slot: Default::default() };
            Self { fault: Some(fault), ..Self::at(node, nowhere) }
        })
    }

    fn build_named(node: &Node, name: &str, options: RegionOptions) -> Result<Self, Unbuilt> {
        match root::make(node.runtime(), options.size_bytes, Some(name)) {
            Ok(Made::At(address)) => Ok(Self::at(node, address)),
            Ok(Made::Stands(entry)) => Err(entry.into()),
            Err(error) => Err(Unbuilt::Failed(match error {
                RegionError::Disconnected | RegionError::Gone => NameError::Disconnected,
                RegionError::Unresponsive => NameError::Unresponsive,
                other => NameError::NotMade { name: name.to_owned(), reason: other.to_string() },
            })),
        }
    }

    fn at(node: &Node, address: Address) -> Self {
        Self { handle: Handle::at(node.runtime(), address), fault: None }
    }

    fn address(&self) -> Address {
        self.handle.address
    }

    fn type_name() -> String {
        "Region".to_owned()
    }

    fn discard(self, _: &Node) {
        // One that was just built has nobody else.
        let _ = self.close();
    }
}

impl Clone for Region {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), fault: self.fault.clone() }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Some(fault) => write!(f, "Region(not made: {fault})"),
            None => write!(f, "Region({})", self.handle.address),
        }
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.fault {
            Some(fault) => Err(serde::ser::Error::custom(format!("a region that was not made: {fault}"))),
            None => travel::serialize::<Self, S>(self.handle.address, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runtime, address) = travel::deserialize::<Self, D>(deserializer)?;
        Ok(Self { handle: Handle::at(&runtime, address), fault: None })
    }
}
