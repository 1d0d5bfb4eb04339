//! Descriptors that belong to a message or an item, for whoever holds a copy of it.
//!
//! They are closed with the last copy, so whoever drops an item without looking into it also drops what it cannot see there.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// None for nearly everything that travels, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights(Option<Arc<Vec<OwnedFd>>>);

impl Rights {
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn as_slice(&self) -> &[OwnedFd] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The descriptors for one holder: copies, if others have them still.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub(crate) fn into_owned(self) -> io::Result<Vec<OwnedFd>> {
        let Some(shared) = self.0 else { return Ok(Vec::new()) };
        Arc::try_unwrap(shared).or_else(|shared| shared.iter().map(OwnedFd::try_clone).collect())
    }
}

impl From<Vec<OwnedFd>> for Rights {
    fn from(rights: Vec<OwnedFd>) -> Self {
        Self((!rights.is_empty()).then(|| Arc::new(rights)))
    }
}
