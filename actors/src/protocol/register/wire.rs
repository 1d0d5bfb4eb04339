//! What is asked of a register and what it answers. Values are opaque bytes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::error::RegisterError;
use crate::protocol::object::FunctionError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered with the `Value`.
    Get,
    /// Answered with the `Value` before it. It goes by itself after `lasting`.
    Set { value: ByteBuf, lasting: Option<Duration> },
    /// Answered with the `Value`, which is not there any more.
    Take,
    /// Answered with `Done`, or the `Value` that is there instead.
    CompareAndSwap { expected: Option<ByteBuf>, new: Option<ByteBuf> },
    /// Runs a function. Answered with a `Value`: its result.
    Update { name: String, args: ByteBuf },
    /// Answered with the `Value` once there is one.
    Wait,
    /// Answered with the `Version`.
    Version,
    /// Answered with a `Report`.
    Look,
    /// Answered with a `Report` once there has been a change after that one.
    Watch { after: u64 },
    /// Answered with the `Version` then.
    Await { after: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Value(Option<ByteBuf>),
    Version(u64),
    Report { version: u64, value: Option<ByteBuf> },
    Failed(Fault),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    TooLarge,
    Function(FunctionError),
}

impl From<Fault> for RegisterError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLarge => RegisterError::TooLarge,
            Fault::Function(error) => RegisterError::Function(error),
        }
    }
}
