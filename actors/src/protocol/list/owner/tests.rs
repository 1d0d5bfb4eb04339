//! The machine of a list beside a plain vector, and iterations beside changes of every kind.

use std::collections::{BTreeMap, BTreeSet};

use callboard_core::push_bytes;
use proptest::prelude::*;

use super::positions::MAX_SHIFTS;
use super::*;

fn value(number: u16) -> ByteBuf {
    ByteBuf::from(number.to_be_bytes().to_vec())
}

fn owner(capacity: u64) -> ListOwner {
    ListOwner::new(ListOptions::<u16>::new().capacity(capacity))
}

/// All answers that follow from a question of asker 1.
fn answers(owner: &mut ListOwner, ask: Ask) -> Vec<(u64, Reply)> {
    let mut effects = Effects::default();
    owner.handle(Asker(1), ask, Instant::now(), &mut effects);
    effects.replies.into_iter().map(|(Asker(asker), reply)| (asker, reply)).collect()
}

fn ask(owner: &mut ListOwner, ask: Ask) -> Reply {
    let mut answers = answers(owner, ask);
    assert_eq!(answers.len(), 1);
    answers.remove(0).1
}

#[derive(Clone, Debug)]
enum Op {
    Push(u16),
    PushFront(u16),
    Extend(Vec<u16>),
    Insert(u64, u16),
    Pop,
    PopFront,
    Remove(u64),
    Set(u64, u16),
    Swap(u64, u64),
    Reverse,
    Truncate(u64),
    TakeAll,
    RemoveValue(u16),
    CompareAndSwap(u64, u16, u16),
}

fn op() -> impl Strategy<Value = Op> {
    let (at, v) = (|| 0..12_u64, || 0..6_u16);
    prop_oneof![
        v().prop_map(Op::Push),
        v().prop_map(Op::Push),
        v().prop_map(Op::PushFront),
        prop::collection::vec(v(), 0..4).prop_map(Op::Extend),
        (at(), v()).prop_map(|(at, v)| Op::Insert(at, v)),
        (at(), v()).prop_map(|(at, v)| Op::Insert(at, v)),
        Just(Op::Pop),
        Just(Op::PopFront),
        at().prop_map(Op::Remove),
        (at(), v()).prop_map(|(at, v)| Op::Set(at, v)),
        (at(), at()).prop_map(|(a, b)| Op::Swap(a, b)),
        Just(Op::Reverse),
        at().prop_map(Op::Truncate),
        Just(Op::TakeAll),
        v().prop_map(Op::RemoveValue),
        (at(), v(), v()).prop_map(|(at, a, b)| Op::CompareAndSwap(at, a, b)),
    ]
}

/// What a vector of at most `capacity` does, and its answer.
fn by_model(model: &mut Vec<u16>, capacity: usize, op: &Op) -> (Ask, Reply) {
    let len = model.len();
    let full = Reply::Failed(Fault::Full);
    let out = |index: u64| Reply::Failed(Fault::OutOfBounds { index, len: len as u64 });
    let has_room = len < capacity;
    let is_in = |at: u64| (at as usize) < len;
    let some = |number: u16| Reply::Value(Some(value(number)));
    let insert = |model: &mut Vec<u16>, at: usize, v: u16| {
        if !has_room {
            return full.clone();
        }
        model.insert(at, v);
        Reply::Number(len as u64 + 1)
    };
    match op.clone() {
        Op::Push(v) => (Ask::Push(value(v)), insert(model, len, v)),
        Op::PushFront(v) => (Ask::PushFront(value(v)), insert(model, 0, v)),
        Op::Extend(vs) => {
            let fits = len + vs.len() <= capacity;
            let ask = Ask::Extend(vs.iter().map(|v| value(*v)).collect());
            if fits {
                model.extend(vs);
            }
            (ask, if fits { Reply::Number(model.len() as u64) } else { full })
        }
        Op::Insert(at, v) => {
            let reply = if at as usize > len { out(at) } else { insert(model, at as usize, v) };
            (Ask::Insert { at, value: value(v) }, reply)
        }
        Op::Pop => (Ask::Pop, Reply::Value(model.pop().map(value))),
        Op::PopFront => (Ask::PopFront, Reply::Value((len > 0).then(|| value(model.remove(0))))),
        Op::Remove(at) => {
            (Ask::Remove(at), if is_in(at) { some(model.remove(at as usize)) } else { out(at) })
        }
        Op::Set(at, v) => {
            let set = |model: &mut Vec<u16>| std::mem::replace(&mut model[at as usize], v);
            (Ask::Set { at, value: value(v) }, if is_in(at) { some(set(model)) } else { out(at) })
        }
        Op::Swap(a, b) => {
            let missing = [a, b].into_iter().find(|at| !is_in(*at));
            if missing.is_none() {
                model.swap(a as usize, b as usize);
            }
            (Ask::Swap(a, b), missing.map_or(Reply::Done, out))
        }
        Op::Reverse => {
            model.reverse();
            (Ask::Reverse, Reply::Done)
        }
        Op::Truncate(to) => {
            model.truncate(to as usize);
            (Ask::Truncate(to), Reply::Done)
        }
        Op::TakeAll => (Ask::TakeAll, Reply::Values(model.drain(..).map(value).collect())),
        Op::RemoveValue(v) => {
            let at = model.iter().position(|other| *other == v);
            at.map(|at| model.remove(at));
            (Ask::RemoveValue(value(v)), Reply::Found(at.map(|at| at as u64)))
        }
        Op::CompareAndSwap(at, a, b) => {
            let there = model.get(at as usize).copied();
            if there == Some(a) {
                model[at as usize] = b;
            }
            let reply =
                there.map_or_else(|| out(at), |there| if there == a { Reply::Done } else { some(there) });
            (Ask::CompareAndSwap { at, expected: value(a), new: value(b) }, reply)
        }
    }
}

proptest! {
    /// > Under any steps a list's machine does what a vector does, and whoever watches is told.
    #[test]
    fn it_does_what_a_vector_does(ops in prop::collection::vec(op(), 0..80)) {
        let (mut owner, mut model) = (owner(10), Vec::new());
        for op in &ops {
            let before = model.clone();
            let version = owner.changes.version();
            let (question, expected) = by_model(&mut model, 10, op);
            prop_assert_eq!(ask(&mut owner, question), expected);
            let elements: Vec<ByteBuf> = model.iter().map(|v| value(*v)).collect();
            prop_assert_eq!(&owner.elements, &elements);
            prop_assert_eq!(owner.bytes, 2 * model.len() as u64);
            let is_changed = owner.changes.version() != version;
            prop_assert!(is_changed || before == model, "a change that nobody is told of");
            for v in 0..6 {
                let at = model.iter().position(|other| *other == v).map(|at| at as u64);
                prop_assert_eq!(ask(&mut owner, Ask::Position(value(v))), Reply::Found(at));
                let count = model.iter().filter(|other| **other == v).count() as u64;
                prop_assert_eq!(ask(&mut owner, Ask::Count(value(v))), Reply::Number(count));
            }
            prop_assert_eq!(ask(&mut owner, Ask::Slice { from: 2, to: 5 }), Reply::Values(
                elements.iter().skip(2).take(3).cloned().collect()
            ));
        }
    }

    /// Pages of one element each, with any changes between them.
    /// > Under any comings and goings an iteration gives each element that stays once, and none twice.
    #[test]
    fn an_iteration_gives_each_element_that_stays_once(
        first in 1..30_u16,
        ops in prop::collection::vec(prop::collection::vec(op(), 0..4), 0..40),
    ) {
        let mut owner = owner(1000);
        // Unlike elsewhere all values are different, so that each can be told from others.
        let mut fresh = first;
        for v in 0..first {
            ask(&mut owner, Ask::Push(value(v)));
        }
        let mut stays: BTreeSet<ByteBuf> = owner.elements.iter().cloned().collect();
        let mut seen: BTreeMap<ByteBuf, usize> = BTreeMap::new();
        let mut steps = ops.into_iter();
        let mut place = 0;
        let mut cursor = owner.positions.cursor(place);
        while place < owner.elements.len() {
            *seen.entry(owner.elements[place].clone()).or_default() += 1;
            cursor = Cursor { position: cursor.position + 1, ..cursor };
            for op in steps.next().unwrap_or_default() {
                let Some(ask_for) = structural(op, &mut fresh) else { continue };
                ask(&mut owner, ask_for);
            }
            let now: BTreeSet<ByteBuf> = owner.elements.iter().cloned().collect();
            stays.retain(|v| now.contains(v));
            place = owner.positions.index(Some(cursor)).unwrap();
            cursor = owner.positions.cursor(place);
        }
        prop_assert!(seen.values().all(|times| *times == 1), "{seen:?}");
        prop_assert!(stays.iter().all(|v| seen.contains_key(v)), "{stays:?} {seen:?}");
    }
}

/// The same step with a value of its own; none for steps that move elements.
fn structural(op: Op, fresh: &mut u16) -> Option<Ask> {
    *fresh += 1;
    let v = value(*fresh);
    Some(match op {
        Op::Push(_) => Ask::Push(v),
        Op::PushFront(_) => Ask::PushFront(v),
        Op::Insert(at, _) => Ask::Insert { at, value: v },
        Op::Pop => Ask::Pop,
        Op::PopFront => Ask::PopFront,
        Op::Remove(at) => Ask::Remove(at),
        Op::Truncate(to) => Ask::Truncate(to + 10),
        _ => return None,
    })
}

#[test]
fn an_iteration_that_can_not_find_its_place_is_told_so() {
    let mut owner = owner(10);
    for v in 0..5 {
        ask(&mut owner, Ask::Push(value(v)));
    }
    let cursor = Some(owner.positions.cursor(2));
    for _ in 0..MAX_SHIFTS / 2 {
        ask(&mut owner, Ask::Insert { at: 1, value: value(9) });
        ask(&mut owner, Ask::Remove(1));
    }
    let rest = vec![value(2), value(3), value(4)];
    assert_eq!(ask(&mut owner, Ask::Page(cursor)), Reply::Page { values: rest, next: None });
    ask(&mut owner, Ask::Insert { at: 1, value: value(9) });
    assert_eq!(ask(&mut owner, Ask::Page(cursor)), Reply::Failed(Fault::Changed));
    let cursor = Some(owner.positions.cursor(2));
    ask(&mut owner, Ask::Reverse);
    assert_eq!(ask(&mut owner, Ask::Page(cursor)), Reply::Failed(Fault::Changed));
}

#[test]
fn pages_are_limited_in_elements_and_in_bytes_and_hold_one_element_at_least() {
    let mut owner = owner(10_000);
    ask(&mut owner, Ask::Extend((0..2500).map(value).collect()));
    let (mut sizes, mut cursor) = (Vec::new(), None);
    loop {
        let Reply::Page { values, next } = ask(&mut owner, Ask::Page(cursor)) else { unreachable!() };
        sizes.push(values.len());
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [1024, 1024, 452]);
    ask(&mut owner, Ask::TakeAll);
    ask(&mut owner, Ask::Extend(vec![ByteBuf::from(vec![0; 300_000]); 2]));
    let Reply::Page { values, next } = ask(&mut owner, Ask::Page(None)) else { unreachable!() };
    assert!(values.len() == 1 && next.is_some());
}

/// Casts these values in one frame; what others are told.
fn cast(owner: &mut ListOwner, by: NodeId, values: &[u16]) -> Vec<Reply> {
    let (mut casts, mut effects) = (Vec::new(), Effects::default());
    values.iter().for_each(|number| push_bytes(&mut casts, &value(*number)));
    owner.casts(by, ByteStrings::new(&casts), Instant::now(), &mut effects).unwrap();
    effects.replies.into_iter().map(|(_, reply)| reply).collect()
}

#[test]
fn a_change_answers_all_who_watch_and_a_refused_cast_is_counted_for_its_node() {
    let mut owner = owner(1);
    let [one, other] = [1, 2].map(|id| NodeId::new(id).unwrap());
    assert_eq!(answers(&mut owner, Ask::Watch { after: 0 }), []);
    assert_eq!(answers(&mut owner, Ask::Pop), [(1, Reply::Value(None))]);
    let report = Reply::Report { version: 1, len: 1 };
    assert_eq!(answers(&mut owner, Ask::Push(value(1))), [(1, report), (1, Reply::Number(1))]);
    assert_eq!(answers(&mut owner, Ask::Watch { after: 0 }), [(1, Reply::Report { version: 1, len: 1 })]);
    for of in [one, one, other] {
        assert_eq!(cast(&mut owner, of, &[2]), []);
    }
    let refused = |owner: &mut _, of| match ask(owner, Ask::Casts(AboutCasts::Tell(of))) {
        Reply::Refused(refused) => refused,
        reply => unreachable!("{reply:?}"),
    };
    assert_eq!(refused(&mut owner, one).news(), 2);
    let total = refused(&mut owner, one).total;
    cast(&mut owner, one, &[2]);
    ask(&mut owner, Ask::Casts(AboutCasts::Told { of: one, total }));
    assert_eq!(refused(&mut owner, one).news(), 1);
    assert_eq!(refused(&mut owner, other).news(), 1);
    let watch = answers(&mut owner, Ask::Watch { after: 1 });
    assert_eq!(watch, []);
    owner.forget(Asker(1), &mut Effects::default());
    assert_eq!(answers(&mut owner, Ask::Pop), [(1, Reply::Value(Some(value(1))))]);
}

#[test]
fn casts_are_appended_in_order_each_is_a_change_and_who_watches_is_told_once() {
    let mut owner = owner(3);
    let node = NodeId::new(1).unwrap();
    assert_eq!(answers(&mut owner, Ask::Watch { after: 0 }), []);
    assert_eq!(cast(&mut owner, node, &[1, 2, 3, 4]), [Reply::Report { version: 3, len: 3 }]);
    let all = (1..4).map(value).collect();
    assert_eq!(ask(&mut owner, Ask::Slice { from: 0, to: 9 }), Reply::Values(all));
    let bad = ByteStrings::new(&[1]);
    assert!(owner.casts(node, bad, Instant::now(), &mut Effects::default()).is_err());
}

#[test]
fn what_a_message_does_not_hold_is_refused_and_stays() {
    let mut owner = ListOwner::new(ListOptions::<u16>::new().capacity_bytes(1 << 40));
    let mib = || ByteBuf::from(vec![0; 1 << 20]);
    for _ in 0..257 {
        ask(&mut owner, Ask::Push(mib()));
    }
    let too_large = Reply::Failed(Fault::TooLarge);
    assert_eq!(ask(&mut owner, Ask::Slice { from: 0, to: u64::MAX }), too_large);
    assert_eq!(ask(&mut owner, Ask::TakeAll), too_large);
    assert_eq!(ask(&mut owner, Ask::Push(ByteBuf::from(vec![0; 256 << 20]))), too_large);
    let Reply::Values(values) = ask(&mut owner, Ask::Slice { from: 255, to: 300 }) else { unreachable!() };
    assert_eq!((values.len(), ask(&mut owner, Ask::Len)), (2, Reply::Number(257)));
}
