//! Every type that travels: any bytes are decoded or refused, and any value comes back as it was sent.

use callboard_core::decode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Draw, encoded};

/// What is done with one type.
pub(crate) type Trip = fn(bool, &[u8]);

pub(super) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let trips: [&[Trip]; 10] = [
        OWN,
        crate::actor::TRIPS,
        crate::command::wire::TRIPS,
        crate::guests::TRIPS,
        crate::pipeline::TRIPS,
        crate::pool::TRIPS,
        crate::protocol::queue::TRIPS,
        crate::protocol::region::TRIPS,
        crate::protocol::served::TRIPS,
        crate::protocol::shared::TRIPS,
    ];
    let all = trips.iter().map(|trips| trips.len()).sum();
    let which = draw.below(all);
    let is_drawn = draw.flag();
    if let Some(trip) = trips.iter().flat_map(|trips| trips.iter()).nth(which) {
        trip(is_drawn, draw.rest());
    }
}

/// Decodes bytes as a value, or draws one of them; sent once more it is the same.
pub(crate) fn trip<T: Serialize + DeserializeOwned>(is_drawn: bool, bytes: &[u8]) {
    let value: Option<T> = if is_drawn { Draw::new(bytes).value() } else { decode(bytes).ok() };
    let Some(value) = value else { return };
    let sent = encoded(&value);
    match decode::<T>(&sent) {
        Ok(came) => assert_eq!(encoded(&came), sent, "{} came back as another", std::any::type_name::<T>()),
        Err(error) => panic!("what was sent did not come: {error}"),
    }
}

/// A log record is printed too.
fn record(is_drawn: bool, bytes: &[u8]) {
    trip::<crate::LogRecord>(is_drawn, bytes);
    if let Ok(record) = decode::<crate::LogRecord>(bytes) {
        assert!(!record.to_string().contains('\n'), "{record:?} is more than a line");
    }
}

/// Those that are known to the whole crate.
const OWN: &[Trip] = {
    use crate::protocol::{barrier, counter, dict, event, latch, list, object, register};
    &[
        trip::<crate::control::Control>,
        trip::<crate::registry::Ask>,
        trip::<crate::registry::Answer>,
        trip::<crate::process::wire::Errand>,
        trip::<crate::process::wire::Report>,
        trip::<crate::tree::Part>,
        record,
        trip::<object::Envelope<barrier::wire::Ask>>,
        trip::<barrier::wire::Reply>,
        trip::<object::Envelope<counter::wire::Ask>>,
        trip::<counter::wire::Reply>,
        trip::<object::Envelope<dict::wire::Ask>>,
        trip::<dict::wire::Reply>,
        trip::<object::Envelope<event::wire::Ask>>,
        trip::<event::wire::IsSet>,
        trip::<object::Envelope<latch::wire::Ask>>,
        trip::<latch::wire::Reply>,
        trip::<object::Envelope<list::wire::Ask>>,
        trip::<list::wire::Reply>,
        trip::<object::Envelope<register::wire::Ask>>,
        trip::<register::wire::Reply>,
    ]
};
