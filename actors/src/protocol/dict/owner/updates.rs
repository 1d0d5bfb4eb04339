//! Updates of single values where they are.

use super::DictOwner;
use super::table::End;
use crate::protocol::dict::wire::{Refusal, Reply, Tail};
use crate::protocol::message_pack::{self, Kind, Misfit, Number, Operation, Series};
use crate::protocol::object::fit_a_message;

impl DictOwner {
    /// Counts; the number that is there now.
    pub(super) fn count(
        &mut self,
        key: &[u8],
        operation: Operation,
        kind: Kind,
        by: &[u8],
    ) -> Result<Number, Refusal> {
        let before = self.table.value(key);
        let after =
            message_pack::count(operation, kind, before, by).map_err(|why| misfit(why, "a number"))?;
        if before != Some(&*after) {
            self.table.put_copy(key, &after, End::Kept)?;
        }
        Ok(after)
    }

    pub(super) fn append(&mut self, key: &[u8], tail: Tail) -> Result<Reply, Refusal> {
        let (series, more, bytes, what) = match tail {
            Tail::Elements(count, bytes) => (Series::Array, count, bytes.into_vec(), "a list"),
            Tail::Text(text) => {
                let len = u32::try_from(text.len()).map_err(|_| Refusal::TooLarge)?;
                (Series::Text, len, text.into_bytes(), "a text")
            }
        };
        let extend =
            |value: &mut Vec<u8>| series.extend(value, more, &bytes).map_err(|why| misfit(why, what));
        if let Some(len) = self.table.lengthen(key, bytes.len(), extend)? {
            return Ok(Reply::Count(len));
        }
        let mut value = series.empty();
        let len = extend(&mut value)?;
        self.table.put(key, value, None)?;
        Ok(Reply::Count(len))
    }

    pub(super) fn update(&mut self, key: &[u8], function: &str, args: &[u8]) -> Result<Reply, Refusal> {
        let before = self.table.value(key);
        let mut outcome = self.functions.run(function, before.as_slice(), args)?;
        if !fit_a_message([&outcome.result]) {
            return Err(Refusal::TooLarge);
        }
        let value = outcome.values.pop();
        if before != value.as_ref().map(|value| value.as_slice()) {
            match value {
                Some(value) => _ = self.table.put(key, value.into_vec(), self.table.end(key))?,
                None => _ = self.table.remove(key),
            }
        }
        Ok(Reply::Value(Some(outcome.result)))
    }
}

fn misfit(why: Misfit, expected: &str) -> Refusal {
    match why {
        Misfit::WrongKind => Refusal::WrongKind(format!("the value is not {expected}")),
        Misfit::Overflow => Refusal::Overflow,
    }
}
