//! Iterating over a list, page by page.

use std::collections::VecDeque;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::error::ListError;
use super::handle::List;
use super::wire::{Ask, Cursor, Reply};

/// What comes next.
enum Next {
    Page(Option<Cursor>),
    Nothing,
}

/// The elements of a list in their order; see [`List::iter`].
pub struct ListIter<'a, T> {
    list: &'a List<T>,
    page: VecDeque<ByteBuf>,
    next: Next,
}

impl<T> fmt::Debug for ListIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListIter({:?})", self.list)
    }
}

impl<T: DeserializeOwned> List<T> {
    /// Goes through the elements in their order, however many there are: 1,024 at a time, or 256 KiB of them.
    ///
    /// The list may change meanwhile. An element that stays is given once, wherever others come and go; one that
    /// comes or goes meanwhile is given once or not at all. An element is given as it was when its page was fetched. One that is
    /// [swapped](Self::swap) with another may be given twice or not at all. Over a list that grows faster than it is read there
    /// is no end.
    ///
    /// After an error there is no more, but for [`ListError::Decode`], which is that element's alone. If the list
    /// is reversed, or [a function](Self::apply) makes it another one, or if more than 16,384 elements are inserted
    /// or removed between two pages other than at the ends, the next page is [`ListError::Changed`].
    #[doc(alias = "__iter__")]
    pub fn iter(&self) -> ListIter<'_, T> {
        ListIter { list: self, page: VecDeque::new(), next: Next::Page(None) }
    }
}

impl<T> ListIter<'_, T> {
    fn fetch(&mut self, cursor: Option<Cursor>) -> Result<(), ListError> {
        let Reply::Page { values, next } = self.list.ask(Ask::Page(cursor))? else {
            return Err(ListError::Disconnected);
        };
        self.page = values.into();
        self.next = next.map_or(Next::Nothing, |cursor| Next::Page(Some(cursor)));
        Ok(())
    }
}

impl<T: DeserializeOwned> Iterator for ListIter<'_, T> {
    type Item = Result<T, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && let Next::Page(cursor) = std::mem::replace(&mut self.next, Next::Nothing)
            && let Err(error) = self.fetch(cursor)
        {
            return Some(Err(error));
        }
        self.page.pop_front().map(|bytes| self.list.decode(&bytes))
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for &'a List<T> {
    type Item = Result<T, ListError>;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}
