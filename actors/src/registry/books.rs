//! What each node has at the registry, so that none can have it grow without an end.

use std::collections::HashMap;

use callboard_core::NodeId;
use callboard_core::limits::{
    MAX_NAMES_BYTES_PER_NODE, MAX_NAMES_PER_NODE, MAX_TYPE_NAME_BYTES, MAX_WAITING_PER_NODE,
};

use super::{Ask, Entry, MAX_NAME_BYTES};
use crate::cell::Violation;

/// By node; those that have nothing are not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Books(HashMap<NodeId, Book>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Book {
    /// Names that stand for something of it, and those that it keeps.
    names: usize,
    /// The text of these, with that of their types.
    bytes: usize,
    /// Look-ups that wait.
    waiting: usize,
}

fn bytes_of(name: &str, entry: &Entry) -> usize {
    name.len() + entry.type_name.len()
}

impl Books {
    fn change(&mut self, node: NodeId, how: impl FnOnce(&mut Book)) {
        let book = self.0.entry(node).or_default();
        how(book);
        if *book == Book::default() {
            self.0.remove(&node);
        }
    }

    /// A name is its node's.
    pub(super) fn given(&mut self, name: &str, entry: &Entry) {
        self.change(entry.address.node, |book| {
            book.names += 1;
            book.bytes += bytes_of(name, entry);
        });
    }

    /// It is not any more.
    pub(super) fn taken(&mut self, name: &str, entry: &Entry) {
        self.change(entry.address.node, |book| {
            book.names -= 1;
            book.bytes -= bytes_of(name, entry);
        });
    }

    pub(super) fn waits(&mut self, node: NodeId) {
        self.change(node, |book| book.waiting += 1);
    }

    pub(super) fn wait_no_more(&mut self, node: NodeId, count: usize) {
        if count > 0 {
            self.change(node, |book| book.waiting -= count);
        }
    }

    /// Whether a node may ask that: names are its own, as long as names may be, and neither they nor its look-ups are too many.
    pub(super) fn admit(&self, node: NodeId, ask: &Ask) -> Result<(), Violation> {
        let name = ask.name();
        if name.len() > MAX_NAME_BYTES {
            return Err(format!("a name of {} bytes where {MAX_NAME_BYTES} are the most", name.len()));
        }
        if ask.address().is_some_and(|address| address.node != node) {
            return Err("a name for what is another node's".to_owned());
        }
        let none = Book::default();
        let book = self.0.get(&node).unwrap_or(&none);
        match ask {
            Ask::Lookup { wait: true, .. } if book.waiting >= MAX_WAITING_PER_NODE => {
                Err(format!("more than {MAX_WAITING_PER_NODE} look-ups of one node wait for names"))
            }
            Ask::Register { entry, .. } | Ask::Hold { entry, .. } => book.has_room_for(name, entry),
            _ => Ok(()),
        }
    }
}

impl Book {
    fn has_room_for(&self, name: &str, entry: &Entry) -> Result<(), Violation> {
        let type_bytes = entry.type_name.len();
        if type_bytes > MAX_TYPE_NAME_BYTES {
            return Err(format!(
                "a type's name of {type_bytes} bytes where {MAX_TYPE_NAME_BYTES} are the most"
            ));
        }
        if self.names >= MAX_NAMES_PER_NODE {
            return Err(format!("more than {MAX_NAMES_PER_NODE} names of one node"));
        }
        if self.bytes + bytes_of(name, entry) > MAX_NAMES_BYTES_PER_NODE {
            return Err(format!("names of one node of more than {MAX_NAMES_BYTES_PER_NODE} bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use callboard_core::{Address, Slot};

    use super::*;

    fn entry(node: u64, type_bytes: usize) -> Entry {
        let address = Address { node: NodeId::new(node).unwrap(), slot: Slot { index: 5, generation: 1 } };
        Entry { address, type_name: "t".repeat(type_bytes) }
    }

    fn register(entry: Entry) -> Ask {
        Ask::Register { name: "/a".to_owned(), entry, key: 0 }
    }

    /// Has as many names as are admitted; what is said of one more.
    fn full_of(entry: &Entry) -> (usize, Violation) {
        let (mut books, node) = (Books::default(), entry.address.node);
        let ask = register(entry.clone());
        let mut count = 0;
        let refused = loop {
            match books.admit(node, &ask) {
                Ok(()) => books.given("/a", entry),
                Err(refused) => break refused,
            }
            count += 1;
        };
        let other = self::entry(node.get() + 1, 10);
        assert_eq!(books.admit(other.address.node, &register(other)), Ok(()), "another's");
        books.taken("/a", entry);
        assert_eq!(books.admit(node, &ask), Ok(()), "there is room again");
        (0..count - 1).for_each(|_| books.taken("/a", entry));
        assert_eq!(books, Books::default());
        (count, refused)
    }

    /// > A node that has more look-ups, names or awaited ends at another than there may be is cut off with the reason; nothing of it is left, and nobody else notices.
    #[test]
    fn names_of_one_node_have_a_limit_in_number_and_in_bytes() {
        let (count, refused) = full_of(&entry(1, 10));
        assert_eq!((count, refused.contains("names of one node")), (MAX_NAMES_PER_NODE, true), "{refused}");
        let (count, refused) = full_of(&entry(1, MAX_TYPE_NAME_BYTES));
        let most = MAX_NAMES_BYTES_PER_NODE / (MAX_TYPE_NAME_BYTES + "/a".len());
        assert_eq!((count, refused.contains("bytes")), (most, true), "{refused}");
    }
}
