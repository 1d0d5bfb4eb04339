//! A map that processes share: single entries, many at once, batches, updates where the map is, casts, expiry, watches.
//!
//! `owner` keeps bytes; `handle` and the files beside it (`many`, `batch`, `update`, `cast`, `watch`) are the typed face.
//! [`Set`](crate::Set) is another face of the same owner.

mod ask;
mod batch;
mod cast;
mod error;
mod handle;
mod many;
pub(crate) mod options;
pub(crate) mod owner;
mod update;
mod watch;
pub(crate) mod wire;

pub(super) use self::ask::{fitting, keys, push, unexpected};
pub use self::batch::Batch;
pub(super) use self::cast::throw;
pub use self::error::{DictError, DictWatchError};
pub use self::handle::Dict;
pub use self::many::DictIter;
pub(super) use self::many::Pages;
pub use self::options::DictOptions;
pub(super) use self::options::Settings;
pub(super) use self::owner::DictOwner;
pub use self::update::Number;
pub use self::watch::{DictChange, DictWatch, DictWatchAll};
pub(super) use self::watch::{Told, Watching};
pub(super) use self::wire::{Ask, Operator, Part, Reply};
