//! The owners of shared objects, asked anything by anybody, in any order: questions that are given up, nodes that end, casts that are
//! none, and time that passes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, NodeId};

use super::{Draw, encoded, node};
use crate::protocol::barrier::{options::BarrierOptions, owner::BarrierOwner};
use crate::protocol::counter::{options::CounterOptions, owner::CounterOwner};
use crate::protocol::dict::{options::Settings, owner::DictOwner};
use crate::protocol::event::{options::EventOptions, owner::EventOwner};
use crate::protocol::latch::{options::LatchOptions, owner::LatchOwner};
use crate::protocol::list::{options::ListOptions, owner::ListOwner};
use crate::protocol::object::{Asker, Effects, Owner};
use crate::protocol::register::{options::RegisterOptions, owner::RegisterOwner};

const NODES: usize = 4;

pub(super) fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    match draw.below(9) {
        0 => play(EventOwner::new(EventOptions::new()), draw, drop_check),
        1 => play(LatchOwner::new(LatchOptions::new(3)), draw, drop_check),
        2 => play(BarrierOwner::new(barrier(&mut draw)), draw, BarrierOwner::check),
        3 => play(CounterOwner::new(CounterOptions::new().value(draw.number() as i64)), draw, drop_check),
        4 => play(RegisterOwner::new(register()), draw, drop_check),
        5 | 6 => play(DictOwner::new(dict()), draw, DictOwner::check),
        7 => play(ListOwner::new(list()), draw, ListOwner::check),
        _ => crate::protocol::region::fuzz(draw),
    }
}

/// Of machines that are too small for books of their own.
fn drop_check<O>(_: &O, _: &mut dyn Iterator<Item = Asker>) {}

fn barrier(draw: &mut Draw<'_>) -> BarrierOptions {
    BarrierOptions::new(draw.below(4) + 1).unwrap_or_else(|_| unreachable!("at least one"))
}

pub(super) fn dict() -> Settings {
    use crate::DictOptions;
    let options = DictOptions::<String, u64>::new().capacity(8).capacity_bytes(512);
    options
        .function("add", |value: Option<u64>, by: u64| (value.map(|value| value.wrapping_add(by)), by))
        .into()
}

fn list() -> ListOptions<u64> {
    let options = ListOptions::<u64>::new().capacity(8).capacity_bytes(256);
    options.function("add", |value: u64, by: u64| (value.wrapping_add(by), value))
}

fn register() -> RegisterOptions<u64> {
    RegisterOptions::<u64>::empty()
        .function("add", |value: Option<u64>, by: u64| (value.map(|value| value.wrapping_add(by)), by))
}

/// Who waits, at which node.
type Waiting = BTreeMap<Asker, NodeId>;

/// Plays with an owner until all is drawn, then has everybody give up.
pub(crate) fn play<O: Owner>(
    mut owner: O,
    mut draw: Draw<'_>,
    check: impl Fn(&O, &mut dyn Iterator<Item = Asker>),
) {
    let (mut waiting, mut last, mut now) = (Waiting::new(), 0, Instant::now());
    while !draw.is_over() {
        let mut effects = Effects::default();
        match draw.below(16) {
            0 => {
                let one = waiting.keys().nth(draw.below(8)).copied();
                if let Some(asker) = one {
                    waiting.remove(&asker);
                    owner.forget(asker, &mut effects);
                }
            }
            1 => {
                let ended = node(draw.below(NODES));
                let of_it: Vec<Asker> =
                    waiting.iter().filter(|(_, of)| **of == ended).map(|(asker, _)| *asker).collect();
                for asker in of_it {
                    waiting.remove(&asker);
                    owner.lose(asker, &mut effects);
                    answered(&mut waiting, &mut effects);
                }
                owner.node_ended(ended, &mut effects);
            }
            2 => {
                now += Duration::from_millis(draw.number().min(1 << 40));
                owner.tick(now, &mut effects);
            }
            3 | 4 => {
                let (by, casts) = (node(draw.below(NODES)), casts(&mut draw));
                let _ = owner.casts(by, ByteStrings::new(&casts), now, &mut effects);
            }
            _ => {
                last += 1;
                let asker = Asker(last);
                let of = node(draw.below(NODES));
                let Some(ask) = draw.value::<O::Ask>() else { continue };
                waiting.insert(asker, of);
                owner.handle(asker, ask, now, &mut effects);
            }
        }
        answered(&mut waiting, &mut effects);
        check(&owner, &mut waiting.keys().copied());
    }
    while let Some((asker, _)) = waiting.pop_first() {
        let mut effects = Effects::default();
        owner.forget(asker, &mut effects);
        answered(&mut waiting, &mut effects);
        check(&owner, &mut waiting.keys().copied());
    }
    check(&owner, &mut std::iter::empty());
}

/// Those who have an answer wait no longer. Nobody is given two.
fn answered<R: serde::Serialize>(waiting: &mut Waiting, effects: &mut Effects<R>) {
    for (asker, reply) in effects.replies.drain(..) {
        waiting.remove(&asker);
        // As the cell does, which can't do anything about one that can't be encoded.
        encoded(&reply);
    }
}

/// Operations that nobody waits for, some of them as a dict's or a counter's handle writes them.
fn casts(draw: &mut Draw<'_>) -> Vec<u8> {
    let mut casts = Vec::new();
    for _ in 0..draw.below(4) {
        let mut cast = Vec::new();
        match draw.below(3) {
            0 => cast.extend_from_slice(draw.some_bytes()),
            1 => cast = encoded(&(draw.number() as i64)),
            _ => {
                cast.push(draw.byte() % 14);
                callboard_core::push_bytes(&mut cast, draw.some_bytes());
                cast.extend_from_slice(&encoded(&draw.number()));
            }
        }
        callboard_core::push_bytes(&mut casts, &cast);
    }
    if draw.byte() == 255 {
        casts.push(draw.byte());
    }
    casts
}
