//! A dict's machine, one promise after the other.

use std::time::{Duration, Instant};

use callboard_core::{BodyError, ByteStrings, NodeId, push_bytes};
use serde_bytes::ByteBuf;

use super::DictOwner;
use crate::protocol::dict::options::Settings;
use crate::protocol::dict::wire::{Ask, Operator, PAGE_ENTRIES, Part, Refusal, Reply, Scope, Tail, Thrown};
use crate::protocol::message_pack::Kind;
use crate::protocol::object::{AboutCasts, Asker, Effects, Owner, Refused};

pub(super) fn bytes(text: &str) -> ByteBuf {
    ByteBuf::from(text)
}

pub(super) fn insert(key: &str, value: &str) -> Ask {
    Ask::Insert(bytes(key), bytes(value), None)
}

pub(super) fn some(value: &str) -> Reply {
    Reply::Value(Some(bytes(value)))
}

/// A machine and its clock.
pub(super) struct Bench {
    pub(super) owner: DictOwner,
    pub(super) now: Instant,
    last: u64,
}

impl Bench {
    pub(super) fn new(entries: u64, most_bytes: u64) -> Self {
        let settings = Settings { entries, bytes: most_bytes, ..Settings::default() };
        Self { owner: DictOwner::new(settings), now: Instant::now(), last: 0 }
    }

    /// Asks as the next asker; all answers that follow.
    pub(super) fn tell(&mut self, ask: Ask) -> Vec<(u64, Reply)> {
        self.last += 1;
        let mut effects = Effects::default();
        self.owner.handle(Asker(self.last), ask, self.now, &mut effects);
        self.owner.table.check();
        effects.replies.into_iter().map(|(Asker(asker), reply)| (asker, reply)).collect()
    }

    /// The answer to a question that is answered at once.
    #[track_caller]
    pub(super) fn ask(&mut self, ask: Ask) -> Reply {
        let replies = self.tell(ask);
        let own = replies.into_iter().find(|(asker, _)| *asker == self.last);
        own.expect("it is answered at once").1
    }

    fn cast(&mut self, by: NodeId, casts: &[u8]) -> Result<(), BodyError> {
        let done = self.owner.casts(by, ByteStrings::new(casts), self.now, &mut Effects::default());
        self.owner.table.check();
        done
    }

    pub(super) fn tick(&mut self) -> Vec<(u64, Reply)> {
        let mut effects = Effects::default();
        self.owner.tick(self.now, &mut effects);
        effects.replies.into_iter().map(|(Asker(asker), reply)| (asker, reply)).collect()
    }

    fn keys(&mut self) -> String {
        match self.ask(Ask::Snapshot(Part::Keys)) {
            Reply::Flat(keys) => {
                keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect::<Vec<_>>().join(" ")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_new_value_keeps_the_place_of_its_key() {
    let mut bench = Bench::new(10, 100);
    for key in ["c", "a", "b"] {
        assert_eq!(bench.ask(insert(key, "1")), Reply::Value(None));
    }
    assert_eq!(bench.ask(insert("a", "2")), some("1"));
    assert_eq!(bench.keys(), "c a b");
    assert_eq!(bench.ask(Ask::Remove(bytes("c"))), some("1"));
    bench.ask(insert("c", "3"));
    assert_eq!(bench.keys(), "a b c");
    assert_eq!(bench.ask(Ask::Pop), Reply::Entry(Some((bytes("c"), bytes("3")))));
    assert_eq!(bench.ask(Ask::Len), Reply::Count(2));
    assert_eq!((bench.ask(Ask::Clear), bench.ask(Ask::Pop)), (Reply::Done, Reply::Entry(None)));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut bench = Bench::new(2, 10);
    assert_eq!(bench.ask(insert("a", "0123456789")), Reply::Refused(Refusal::TooLarge));
    assert_eq!(bench.ask(insert("a", "01234567")), Reply::Value(None));
    assert_eq!(bench.ask(insert("b", "1")), Reply::Refused(Refusal::Full), "by bytes");
    assert_eq!(bench.ask(insert("a", "0")), some("01234567"));
    assert_eq!(bench.ask(insert("b", "1")), Reply::Value(None));
    assert_eq!(bench.ask(insert("c", "1")), Reply::Refused(Refusal::Full), "by entries");
    let change = |key: &str, value: Option<&str>| (bytes(key), value.map(bytes));
    let changes = vec![change("c", Some("1")), change("d", Some("1")), change("a", None)];
    let refused = bench.ask(Ask::Batch { expected: vec![], changes: changes.clone() });
    assert_eq!((refused, bench.keys()), (Reply::Refused(Refusal::Full), "a b".to_owned()));
    // What is removed makes room, wherever it stands.
    let changes = [changes, vec![change("b", None)]].concat();
    assert_eq!(bench.ask(Ask::Batch { expected: vec![], changes: changes.clone() }), Reply::Count(2));
    assert_eq!(bench.keys(), "c d");
    let expected = vec![change("c", Some("1")), change("x", Some("1"))];
    assert_eq!(bench.ask(Ask::Batch { expected, changes: vec![change("c", None)] }), Reply::Is(false));
    assert_eq!(bench.keys(), "c d");
}

/// > Refused casts are counted for their node and told once.
#[test]
fn refused_casts_are_counted_for_their_node_and_told_once() {
    let mut bench = Bench::new(1, 100);
    let node = |id| callboard_core::NodeId::new(id).unwrap();
    let mut casts = Vec::new();
    for key in ["a", "b", "c"] {
        push_bytes(&mut casts, &[&[Operator::Insert.mark(), 0xc4, 1], key.as_bytes(), b"1"].concat());
    }
    assert_eq!(bench.cast(node(1), &casts), Ok(()));
    assert_eq!(bench.cast(node(2), &[0xc4, 4, Operator::Remove.mark(), 0xc4, 1, b'x']), Ok(()));
    let refused = |total, told| Reply::Casts(Refused { total, told });
    assert_eq!(bench.ask(Ask::Casts(AboutCasts::Tell(node(2)))), refused(0, 0));
    // Until the node has said that it knows.
    for _ in 0..2 {
        assert_eq!(bench.ask(Ask::Casts(AboutCasts::Tell(node(1)))), refused(2, 0));
    }
    bench.ask(Ask::Casts(AboutCasts::Told { of: node(1), total: 2 }));
    assert_eq!(bench.ask(Ask::Casts(AboutCasts::Tell(node(1)))), refused(2, 2));
}

#[test]
fn bytes_that_are_no_cast_are_an_error_and_what_came_before_them_is_done() {
    let mut bench = Bench::new(10, 100);
    let node = callboard_core::NodeId::new(1).unwrap();
    let good = [0xc4, 5, Operator::Insert.mark(), 0xc4, 1, b'a', b'1'];
    for bad in [&[0xc4, 0][..], &[0xc4, 1, 0], &[0xc4, 3, 0, 0xc4, 9], &[0xc4, 4, 99, 0xc4, 1, b'a'], &[7]] {
        bench.ask(Ask::Clear);
        assert!(bench.cast(node, &[&good, bad].concat()).is_err());
        assert_eq!(bench.ask(Ask::Get(bytes("a"))), some("1"));
    }
    for operator in Kind::ALL.map(Operator::Add).into_iter().chain([Operator::Insert, Operator::Remove]) {
        let cast = [operator.mark(), 0xc4, 1, b'k', b'v'];
        assert_eq!(Thrown::read(&cast), Ok(Thrown { operator, key: b"k", value: b"v" }));
    }
}

#[test]
fn what_has_expired_is_gone_for_every_question() {
    let mut bench = Bench::new(3, 1000);
    let second = Duration::from_secs(1);
    let lasting = |key: &str, time| Ask::Insert(bytes(key), bytes("1"), Some(time));
    bench.ask(lasting("a", second));
    bench.ask(lasting("b", second * 3));
    bench.ask(lasting("c", Duration::MAX));
    assert_eq!(bench.ask(Ask::Expire(bytes("b"), Some(second * 2))), Reply::Is(true));
    bench.now += second;
    assert_eq!(bench.ask(Ask::Has(bytes("a"))), Reply::Is(false));
    assert_eq!(bench.ask(lasting("d", Duration::ZERO)), Reply::Value(None), "there is room again");
    assert_eq!(bench.keys(), "b c");
    // What is put anew stays, what is changed where it is keeps its time.
    bench.ask(lasting("d", second));
    bench.ask(insert("d", "2"));
    bench.ask(Ask::Insert(bytes("b"), ByteBuf::from([0xa1, b'x']), Some(second)));
    bench.ask(Ask::Append { key: bytes("b"), tail: Tail::Text("y".to_owned()) });
    bench.now += second;
    assert_eq!(bench.keys(), "c d");
    assert_eq!(bench.ask(Ask::Expire(bytes("b"), None)), Reply::Is(false));
    assert_eq!(bench.ask(Ask::Expire(bytes("c"), None)), Reply::Is(true));
}

#[test]
fn a_tick_is_asked_for_when_the_first_entry_ends() {
    let mut bench = Bench::new(3, 100);
    let mut effects = Effects::default();
    let ask = Ask::Insert(bytes("a"), bytes("1"), Some(Duration::from_secs(5)));
    bench.owner.handle(Asker(1), ask, bench.now, &mut effects);
    assert_eq!(effects.tick_at, Some(bench.now + Duration::from_secs(5)));
    assert_eq!(bench.ask(Ask::BeginWatch(Scope::One)), Reply::Count(1));
    assert_eq!(bench.tell(Ask::Watch { key: bytes("a"), since: 1, wait: true }), []);
    bench.now += Duration::from_secs(5);
    assert_eq!(bench.tick(), [(2, Reply::Report { version: 2, value: None })]);
    assert_eq!(bench.ask(Ask::Len), Reply::Count(0));
}

#[test]
fn a_watch_of_a_key_hears_of_its_changes_and_of_no_others() {
    let mut bench = Bench::new(5000, 1 << 20);
    bench.ask(insert("a", "1"));
    let Reply::Count(since) = bench.ask(Ask::BeginWatch(Scope::One)) else { panic!() };
    let watch = |since, wait| Ask::Watch { key: bytes("a"), since, wait };
    assert_eq!(bench.ask(watch(since, false)), Reply::Unchanged);
    assert_eq!(bench.tell(watch(since, true)), []);
    assert_eq!(bench.tell(insert("b", "1")).len(), 1);
    let told = bench.tell(insert("a", "2"));
    let report = Reply::Report { version: since + 2, value: Some(bytes("2")) };
    assert_eq!(told[1..], [(4, report.clone())]);
    assert_eq!(bench.tell(watch(since, true)), [(7, report)], "it had changed before it was asked");
    // Inserted and removed in between is a change too.
    bench.ask(Ask::Remove(bytes("a")));
    bench.ask(insert("a", "3"));
    bench.ask(Ask::Remove(bytes("a")));
    let gone = Reply::Report { version: since + 5, value: None };
    assert_eq!(bench.ask(watch(since + 3, true)), gone);
    assert_eq!(bench.tell(watch(since + 5, true)), []);
    bench.owner.forget(Asker(12), &mut Effects::default());
    assert_eq!(bench.tell(insert("a", "4")).len(), 1, "nobody waits any more");
    assert_eq!(bench.ask(watch(since + 6, false)), Reply::Unchanged);
}

#[test]
fn a_watch_of_all_is_told_of_removals_and_when_it_lags() {
    let mut bench = Bench::new(5000, 1 << 20);
    bench.ask(insert("a", "1"));
    let Reply::Count(since) = bench.ask(Ask::BeginWatch(Scope::All)) else { panic!() };
    bench.ask(insert("b", "1"));
    bench.ask(insert("a", "2"));
    bench.ask(insert("b", "2"));
    bench.ask(Ask::Remove(bytes("a")));
    let changes = vec![(bytes("b"), Some(bytes("2"))), (bytes("a"), None)];
    let told = Reply::Changes { version: since + 4, changes };
    assert_eq!(bench.ask(Ask::DictWatchAll { since, wait: true }), told);
    let since = since + 4;
    assert_eq!(bench.tell(Ask::DictWatchAll { since, wait: true }), []);
    let told = bench.tell(insert("c", "1"));
    assert!(matches!(told[1], (8, Reply::Changes { .. })), "{told:?}");
    for number in 0..1_025 {
        bench.ask(insert(&number.to_string(), "1"));
    }
    bench.ask(Ask::Clear);
    let lagged = bench.ask(Ask::DictWatchAll { since, wait: false });
    let Reply::Lagged { version } = lagged else { panic!("{lagged:?}") };
    assert_eq!(bench.ask(Ask::DictWatchAll { since: version, wait: false }), Reply::Unchanged);
}

#[test]
fn a_batch_is_told_whole_to_who_waits_for_any_change() {
    let mut bench = Bench::new(10, 100);
    bench.ask(insert("gone", "1"));
    bench.ask(Ask::BeginWatch(Scope::All));
    assert_eq!(bench.tell(Ask::DictWatchAll { since: 1, wait: true }), []);
    let changes = vec![(bytes("a"), Some(bytes("1"))), (bytes("gone"), None), (bytes("b"), Some(bytes("2")))];
    let told = bench.tell(Ask::Batch { expected: vec![], changes: changes.clone() });
    assert_eq!(told, [(4, Reply::Count(2)), (3, Reply::Changes { version: 4, changes })]);
}

#[test]
fn pages_end_at_the_newest_entry_of_their_beginning() {
    let mut bench = Bench::new(5000, 1 << 20);
    for number in 0..PAGE_ENTRIES + 1 {
        bench.ask(insert(&number.to_string(), "1"));
    }
    let first = bench.ask(Ask::Page { after: 0, until: None, part: Part::Keys });
    let Reply::Page { after: Some(after), until, .. } = first else { panic!("{first:?}") };
    bench.ask(insert("later", "1"));
    let second = bench.ask(Ask::Page { after, until: Some(until), part: Part::Keys });
    let mut entries = Vec::new();
    callboard_core::push_bytes(&mut entries, PAGE_ENTRIES.to_string().as_bytes());
    assert_eq!(second, Reply::Page { entries: ByteBuf::from(entries), after: None, until });
}

#[test]
fn whoever_claims_to_know_of_changes_to_come_keeps_nobody_else_from_being_told() {
    let mut bench = Bench::new(8, 100);
    bench.ask(Ask::BeginWatch(Scope::All));
    assert_eq!(bench.tell(Ask::DictWatchAll { since: u64::MAX, wait: true }), []);
    assert_eq!(bench.tell(Ask::DictWatchAll { since: 0, wait: true }), []);
    let told: Vec<u64> = bench.tell(insert("a", "1")).into_iter().map(|(asker, _)| asker).collect();
    assert_eq!(told, [4, 2, 3]);
}
