//! Who watches, and what they are told.

use serde_bytes::ByteBuf;

use super::DictOwner;
use crate::protocol::dict::wire::{PAGE_BYTES, PAGE_ENTRIES, Reply, Scope};
use crate::protocol::object::{Asker, Effects};

impl DictOwner {
    pub(super) fn begin_watch(&mut self, scope: Scope) -> Reply {
        match scope {
            Scope::One => self.table.log.remember(),
            Scope::All if self.table.log.keeps_order() => {}
            Scope::All => {
                let by_version = self.table.by_version();
                self.table.log.keep_order(by_version);
            }
        }
        Reply::Count(self.table.log.version())
    }

    /// What `asker` is told of `key` now; none if it waits.
    pub(super) fn watch(&mut self, asker: Asker, key: &[u8], since: u64, wait: bool) -> Option<Reply> {
        let has_changed = match self.table.get(key) {
            Some(entry) => entry.version() > since,
            None => self.table.log.was_removed(key, since),
        };
        if has_changed {
            return Some(self.report(key));
        }
        if !wait {
            return Some(Reply::Unchanged);
        }
        self.table.log.wait_for(asker, key);
        None
    }

    pub(super) fn watch_all(&mut self, asker: Asker, since: u64, wait: bool) -> Option<Reply> {
        if self.table.log.version() > since {
            return Some(self.changes(since));
        }
        if !wait {
            return Some(Reply::Unchanged);
        }
        // Not `since`: whoever claims to know of changes to come would keep others from being told.
        self.table.log.wait_for_any(asker, self.table.log.version());
        None
    }

    fn report(&self, key: &[u8]) -> Reply {
        let value = self.table.value(key).map(ByteBuf::from);
        Reply::Report { version: self.table.log.version(), value }
    }

    /// The changes after `since`, the earliest ones up to the limits of a report.
    fn changes(&self, since: u64) -> Reply {
        let log = &self.table.log;
        if log.lacks(since) {
            return Reply::Lagged { version: log.version() };
        }
        let (mut changes, mut bytes, mut upto) = (Vec::new(), 0, since);
        for (version, key, is_removed) in log.after(since) {
            let value = if is_removed { None } else { self.table.value(key) };
            bytes += key.len() + value.map_or(0, <[u8]>::len);
            if !changes.is_empty() && (changes.len() == PAGE_ENTRIES || bytes > PAGE_BYTES) {
                return Reply::Changes { version: upto, changes };
            }
            changes.push((ByteBuf::from(&**key), value.map(ByteBuf::from)));
            upto = version;
        }
        Reply::Changes { version: log.version(), changes }
    }

    /// Tells those who wait of what has changed, and asks for a tick when something ends.
    pub(super) fn settle(&mut self, effects: &mut Effects<Reply>) {
        for (asker, key) in self.table.log.take_touched() {
            effects.reply(asker, self.report(&key));
        }
        for (asker, since) in self.table.log.take_behind() {
            effects.reply(asker, self.changes(since));
        }
        if let Some(at) = self.table.first_end() {
            effects.tick_at(at);
        }
    }
}
