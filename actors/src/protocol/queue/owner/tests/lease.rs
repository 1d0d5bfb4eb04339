//! Leases, attempts, dead letters and time.

use super::super::super::wire::{Cause, DeadLetter};
use super::super::limits::MAX_LEASES;
use super::*;

/// Client 2 has leased these and user code has them.
fn in_hand(items: &str, attempts: u32, lasting: Option<Duration>) -> Table {
    let mut table = Table::with_attempts(1000, 1 << 20, attempts);
    table.offer(1, items);
    let count = items.split_whitespace().count() as u64;
    table.lease(2, count, lasting);
    table.take(2, count);
    table
}

fn ack(first: u64, count: u64) -> ToOwner {
    let runs = vec![run(first, count)];
    ToOwner::Ack { runs }
}

fn nack(seq: u64, delay: Duration) -> ToOwner {
    ToOwner::Nack { seq, delay }
}

fn settled(stale: u64) -> Reply {
    Reply::Settled { stale }
}

#[test]
fn an_acked_item_never_comes_back() {
    let mut table = in_hand("a b c", 0, None);
    assert_eq!(table.ask(2, ack(1, 2)), settled(0));
    assert_eq!(table.ask(2, ack(0, 3)), settled(2));
    table.down(2);
    assert_eq!(table.want(3, 9), []);
}

#[test]
fn settling_what_was_not_handed_out_is_a_violation() {
    let mut table = in_hand("a", 0, None);
    let messages = [ack(1, 1), ack(0, u64::MAX), ack(u64::MAX, 1), nack(1, SECOND)];
    for message in messages {
        assert_eq!(table.try_say(2, message), Err(Violation::NotTaken));
    }
}

#[test]
fn a_nacked_item_goes_to_the_head_with_the_next_attempt() {
    let mut table = in_hand("a b", 0, None);
    table.put(1, "c");
    assert_eq!(table.ask(2, nack(0, Duration::ZERO)), settled(0));
    assert_eq!(table.ask(2, nack(0, Duration::ZERO)), settled(1));
    assert_eq!(table.lease(3, 2, None), leased(3, 0, &[("a", 2), ("c", 1)]));
}

#[test]
fn a_delayed_nack_waits_for_its_time() {
    let mut table = in_hand("a b", 0, None);
    table.say(2, nack(1, 2 * SECOND));
    table.say(2, nack(0, SECOND));
    assert_eq!(table.waiting_items(), 2);
    assert_eq!(table.owner.next_deadline(), Some(table.log.now + SECOND));
    assert_eq!(table.lease(3, 2, None), []);
    assert_eq!(table.pass(SECOND), leased(3, 0, &[("a", 2)]));
    assert_eq!(table.pass(SECOND), leased(3, 1, &[("b", 2)]));
    assert_eq!(table.owner.next_deadline(), None);
}

#[test]
fn a_lease_ends_when_its_time_is_over() {
    let mut table = in_hand("a b", 0, Some(SECOND));
    assert_eq!(table.owner.next_deadline(), Some(table.log.now + SECOND));
    table.say(2, ack(0, 1));
    table.pass(SECOND);
    assert_eq!(table.ask(2, ack(1, 1)), settled(1));
    assert_eq!(table.lease(3, 9, None), leased(3, 0, &[("b", 2)]));
    assert_eq!(table.owner.next_deadline(), None);
}

#[test]
fn an_extended_lease_ends_later() {
    let mut table = in_hand("a b", 0, Some(SECOND));
    let lasting = 3 * SECOND;
    assert_eq!(table.ask(2, ToOwner::Extend { seq: 1, lasting }), settled(0));
    table.pass(SECOND);
    assert_eq!(table.lease(3, 9, None), leased(3, 0, &[("a", 2)]));
    assert_eq!(table.pass(2 * SECOND), leased(3, 1, &[("b", 2)]));
    assert_eq!(table.ask(2, ToOwner::Extend { seq: 1, lasting }), settled(1));
}

#[test]
fn a_lease_that_ends_before_user_code_has_the_item_is_no_attempt() {
    let mut table = Table::with_attempts(10, 1000, 1);
    table.offer(1, "a b");
    table.lease(2, 2, Some(SECOND));
    table.pass(SECOND);
    assert_eq!(table.lease(3, 1, None), leased(3, 0, &[("a", 1)]));
    // Its consumer hands it out all the same, for want of news; its ack comes too late.
    table.take(2, 1);
    assert_eq!(table.ask(2, ack(0, 1)), settled(1));
    assert_eq!(table.lease(2, 1, None), leased(2, 2, &[("b", 1)]));
}

#[test]
fn a_take_that_nobody_told_of_counts_as_an_attempt() {
    let mut table = Table::new(10, 1000);
    table.offer(1, "a b");
    table.lease(2, 2, Some(SECOND));
    table.take(2, 1);
    table.pass(SECOND);
    let again = leased(3, 0, &[("a", 2), ("b", 1)]);
    assert_eq!(table.lease(3, 2, None), again);
}

#[test]
fn a_dead_consumers_leases_go_back_in_order_and_only_those_in_hand_rise() {
    let mut table = Table::new(10, 1000);
    table.offer(1, "a b c");
    table.lease(2, 3, None);
    table.take(2, 2);
    table.down(2);
    let again = leased(3, 0, &[("a", 2), ("b", 2), ("c", 1)]);
    assert_eq!(table.lease(3, 3, None), again);
}

#[test]
fn plain_and_leased_items_of_one_consumer_come_back_as_they_stand() {
    let mut table = Table::new(10, 1000);
    table.offer(1, "a b c d");
    table.want(2, 1);
    table.lease(2, 1, None);
    table.want(2, 1);
    table.lease(2, 1, None);
    table.take(2, 2);
    table.down(2);
    let again = leased(3, 0, &[("b", 2), ("c", 1), ("d", 1)]);
    assert_eq!(table.lease(3, 9, None), again);
}

#[test]
fn the_last_attempt_makes_a_dead_letter() {
    let mut table = in_hand("a", 2, None);
    table.say(2, nack(0, Duration::ZERO));
    assert_eq!(table.lease(2, 1, None), leased(2, 1, &[("a", 2)]));
    table.take(2, 1);
    assert_eq!(table.say(3, ToOwner::Join { token: 5 }), []);
    assert_eq!(table.down(2), [Effect::Joined(3, 5)]);
    let letters = vec![DeadLetter { item: b"a".to_vec(), attempts: 2, cause: Cause::ConsumerGone }];
    let reply = Reply::DeadLetters { letters, dropped: 0 };
    assert_eq!(table.ask(3, ToOwner::DeadLetters), reply);
}

#[test]
fn join_waits_for_leases() {
    let mut table = in_hand("a b", 0, None);
    assert_eq!(table.say(3, ToOwner::Join { token: 1 }), []);
    assert_eq!(table.say(2, ack(0, 1)), []);
    assert_eq!(table.say(2, ack(1, 1)), [Effect::Joined(3, 1)]);
}

#[test]
fn the_end_waits_for_the_leases_of_others_and_not_for_ones_own() {
    let mut table = in_hand("a", 0, None);
    table.say(1, ToOwner::Close);
    let all = table.owner.ledger.lent;
    table.say(1, ToOwner::Surrender(all));
    assert_eq!(table.want(2, 1), [Effect::Ended(2)]);
    assert_eq!(table.want(3, 1), []);
    assert_eq!(table.say(2, nack(0, Duration::ZERO)), delivered(3, 0, "a"));
}

#[test]
fn an_item_in_user_hands_leaves_its_slot_and_comes_back_all_the_same() {
    let mut table = Table::new(1, 1000);
    table.offer(1, "a");
    table.lease(2, 1, None);
    table.take(2, 1);
    assert_eq!(table.offer(1, "b"), [Effect::Admitted(1, 2)]);
    table.say(2, nack(0, Duration::ZERO));
    assert_eq!(table.waiting_items(), 2);
    assert_eq!(table.offer(1, "c"), []);
}

#[test]
fn leases_have_a_limit() {
    let mut table = in_hand("a", 0, None);
    for count in [MAX_LEASES, u64::MAX] {
        let terms = LEASED;
        let want = table.try_say(2, ToOwner::Fetch { max: count, terms });
        assert_eq!(want, Err(Violation::TooManyLeases));
    }
    table.lease(2, MAX_LEASES - 1, None);
    let (count, terms) = (1, LEASED);
    let want = table.try_say(2, ToOwner::Want { count, terms });
    assert_eq!(want, Err(Violation::TooManyLeases));
}

#[test]
fn settled_leases_leave_little_behind() {
    let mut table = Table::new(1000, 1 << 20);
    table.offer(1, "first");
    table.lease(2, 60_000, Some(3600 * SECOND));
    table.take(2, 1);
    for seq in 1..20_000 {
        table.offer(1, "x");
        table.take(2, 1);
        table.say(2, ack(seq, 1));
    }
    assert!(table.owner.timing.endings() < 200);
    assert_eq!(table.owner.clients.iter().map(|(_, c)| c.held.items()).sum::<u64>(), 1);
    table.say(2, ack(0, 1));
    assert_eq!(table.owner.next_deadline(), None);
}

#[test]
fn acks_of_numbers_beyond_all_counting_are_a_violation() {
    let mut table = in_hand("a b", 0, None);
    for seqs in [vec![u64::MAX, u64::MAX], vec![u64::MAX, 0], vec![u64::MAX - 1, u64::MAX, 0]] {
        let acked = table.owner.acked(id(2), seqs, &mut table.log);
        assert_eq!(acked, Err(Violation::NotTaken));
    }
    assert_eq!(table.ask(2, ack(0, 2)), settled(0));
}
