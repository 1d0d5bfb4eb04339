//! What stands in for peers that this program was built without: contestants that are skipped and say why.

/// In the place of `zeromq.rs`.
#[cfg(not(feature = "zeromq"))]
pub(crate) mod zeromq {
    use crate::harness::{Outcome, Trouble};
    use crate::item::Item;

    pub(crate) fn one_way<T: Item>(_count: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn round_trips(_count: u64, _ways: u64) -> Outcome {
        skipped()
    }

    fn skipped() -> Outcome {
        Err(Trouble::Skipped("built without --features zeromq".to_owned()))
    }
}

/// In the place of `iceoryx2.rs`.
#[cfg(not(feature = "iceoryx2"))]
pub(crate) mod iceoryx2 {
    use crate::harness::{Outcome, Trouble};
    use crate::item::BLOCK_BYTES;

    /// What can travel.
    pub(crate) trait Payload {}

    impl Payload for u64 {}

    impl Payload for [u8; BLOCK_BYTES] {}

    pub(crate) fn one_way<T: Payload>(_count: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn round_trips(_count: u64, _ways: u64) -> Outcome {
        skipped()
    }

    fn skipped() -> Outcome {
        Err(Trouble::Skipped("built without --features iceoryx2".to_owned()))
    }
}

/// In the place of `actix.rs`, `kameo.rs` and `ractor.rs`.
#[cfg(not(feature = "actors"))]
pub(crate) mod actors {
    use crate::harness::{Outcome, Trouble};

    pub(crate) fn cast(_count: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn call(_count: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn call_within(_count: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn ring(_members: u64, _hops: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn fan_out(_members: u64, _times: u64) -> Outcome {
        skipped()
    }

    pub(crate) fn start(_count: u64) -> Outcome {
        skipped()
    }

    fn skipped() -> Outcome {
        Err(Trouble::Skipped("built without --features actors".to_owned()))
    }
}
