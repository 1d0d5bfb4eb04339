//! Puts, offers, credit, close.

use super::super::super::wire::Reason;
use super::super::limits::{MAX_CREDIT_ITEMS, MAX_OFFERED_ITEMS};
use super::*;

fn refused(to: u64, first: u64, count: u64, reason: Reason) -> Effect {
    let refusal = Refusal { first, count, reason };
    Effect::Refused(to, refusal)
}

fn granted(effects: &[Effect]) -> Amount {
    let grants = effects.iter().filter_map(|effect| match effect {
        Effect::Grant(_, amount) => Some(*amount),
        _ => None,
    });
    grants.fold(Amount::ZERO, |sum, one| sum + one)
}

#[test]
fn the_first_offer_is_admitted_and_brings_credit() {
    let mut table = Table::new(10, 1000);
    let effects = table.offer(1, "a");
    assert_eq!(effects[0], Effect::Admitted(1, 1));
    let credit = Amount { items: 7, bytes: 500 };
    assert_eq!(effects[1..], [Effect::Grant(1, credit)]);
    assert_eq!(table.put(1, "b c"), []);
    assert_eq!(table.waiting_items(), 3);
}

#[test]
fn putting_more_than_the_credit_is_a_violation_and_keeps_what_came_before() {
    let mut table = Table::new(4, 1000);
    assert_eq!(granted(&table.offer(1, "a")).items, 1);
    assert_eq!(table.try_put(1, "b c"), Err(Violation::Overspent));
    assert_eq!(table.try_put(2, "d"), Err(Violation::Overspent));
    assert_eq!(table.waiting_items(), 2);
}

#[test]
fn a_client_beside_the_owner_puts_without_credit_as_far_as_there_is_room() {
    let mut table = Table::new(2, 1000);
    assert_eq!(table.put_directly(1, "a"), Direct::Put);
    assert_eq!(table.put_directly(1, "b"), Direct::Put);
    assert_eq!(table.put_directly(1, "c"), Direct::NoRoom);
    assert_eq!(table.want(2, 9), delivered(2, 0, "a b"));
    assert_eq!(table.put_directly(1, "c"), Direct::NoRoom, "delivered is not taken");
    table.take(2, 1);
    assert_eq!(table.put_directly(1, "c"), Direct::Put);
    assert_eq!(table.effects()[0], delivered(2, 2, "c")[0]);
    table.say(2, ToOwner::Close);
    assert_eq!(table.put_directly(1, "d"), Direct::Closed);
}

#[test]
fn a_client_beside_the_owner_is_lent_nothing_and_passes_nobody_in_line() {
    let mut table = Table::new(10, 100);
    assert_eq!(table.put_directly(1, "a"), Direct::Put);
    assert_eq!(granted(&table.offer(1, "b")), Amount::ZERO);
    let large = "l".repeat(99);
    assert_eq!(table.offer(2, &large), []);
    assert_eq!(table.put_directly(1, "c"), Direct::NoRoom);
    assert_eq!(table.offer(1, "c"), []);
    assert_eq!(table.want(3, 3)[0], delivered(3, 0, "a b")[0]);
    table.take(3, 2);
    let effects = table.say(3, ToOwner::Took);
    assert_eq!(effects[0], Effect::Admitted(2, 1));
}

#[test]
fn what_crosses_a_farewell_is_no_violation() {
    let mut table = Table::new(10, 1000);
    let credit = granted(&table.offer(1, "a"));
    table.down(1);
    assert_eq!(table.say(1, ToOwner::Surrender(credit)), []);
    assert_eq!(table.say(1, ToOwner::Took), []);
    let reply = table.ask(1, ToOwner::GiveBack { from_seq: 7 });
    assert_eq!(reply, Reply::Returned { count: 0 });
    assert_eq!(table.owner.ledger.lent, Amount::ZERO);
    assert_eq!(table.waiting_items(), 1);
}

#[test]
fn two_slots_for_each_producer_are_never_lent() {
    let mut table = Table::new(20, 1000);
    let mut lent = 0;
    for client in 1..=5 {
        let granted = granted(&table.offer(client, "x")).items;
        lent += granted;
        let used = table.waiting_items() + lent + 2 * client;
        assert!(granted == 0 || used <= 20, "{lent} lent");
    }
    assert_eq!(lent, 17);
    // Whatever the idle ones have, another one gets its items through.
    table.want(8, 1000);
    for _ in 0..50 {
        table.offer(6, "y");
        table.take(8, table.owner.ledger.ahead.items);
    }
    assert_eq!(table.waiting_items(), 0);
}

#[test]
fn a_small_queue_lends_nothing() {
    let mut table = Table::new(2, 1000);
    assert_eq!(table.offer(1, "a"), [Effect::Admitted(1, 1)]);
    assert_eq!(table.offer(1, "b"), [Effect::Admitted(1, 2)]);
    assert_eq!(table.offer(1, "c"), []);
}

#[test]
fn credit_is_topped_up_below_half_and_has_a_limit() {
    let mut table = Table::new(1 << 20, 1 << 30);
    table.want(2, 1 << 20);
    let first = granted(&table.offer(1, "a"));
    assert_eq!(first.items, MAX_CREDIT_ITEMS);
    let half = vec!["x"; MAX_CREDIT_ITEMS as usize / 2].join(" ");
    assert_eq!(granted(&table.put(1, &half)), Amount::ZERO);
    assert_eq!(granted(&table.put(1, "x")).items, MAX_CREDIT_ITEMS / 2 + 1);
}

#[test]
fn offers_are_admitted_in_order_of_arrival_as_room_appears() {
    let mut table = Table::new(1, 1000);
    table.offer(1, "a");
    assert_eq!(table.offer(1, "b"), []);
    assert_eq!(table.offer(2, "c"), []);
    assert_eq!(table.offer(1, "d"), []);
    table.want(3, 4);
    for (word, admitted) in [("b", (1, 2)), ("c", (2, 1)), ("d", (1, 3))] {
        table.take(3, 1);
        let effects = table.say(3, ToOwner::Took);
        assert_eq!(effects[0], Effect::Admitted(admitted.0, admitted.1));
        let Effect::Deliver(3, _, items) = &effects[1] else {
            panic!("{effects:?}");
        };
        assert_eq!(items, &words(word));
    }
}

#[test]
fn credited_items_queue_behind_offers_of_the_same_client() {
    let mut table = Table::new(10, 100);
    assert_eq!(granted(&table.offer(1, "a")).bytes, 50);
    let large = "l".repeat(60);
    assert_eq!(table.offer(1, &large), [Effect::Revoke(1)]);
    assert_eq!(table.put(1, "b"), []);
    let rest = table.owner.ledger.lent;
    let effects = table.say(1, ToOwner::Surrender(rest));
    assert_eq!(effects[0], Effect::Admitted(1, 2));
    assert_eq!(table.want(2, 3)[0], delivered(2, 0, &format!("a {large} b"))[0]);
}

#[test]
fn an_item_larger_than_the_capacity_is_refused_at_once() {
    let mut table = Table::new(1, 5);
    table.offer(1, "a");
    let effects = table.offer(1, "b toolarge c");
    assert_eq!(effects, [refused(1, 2, 1, Reason::TooLarge)]);
    table.want(2, 3);
    table.take(2, 1);
    let effects = table.say(2, ToOwner::Took);
    assert_eq!(effects[0], Effect::Admitted(1, 2));
    table.take(2, 1);
    assert_eq!(table.say(2, ToOwner::Took)[0], Effect::Admitted(1, 4));
}

#[test]
fn withdrawn_offers_are_the_last_of_the_run_that_still_wait() {
    let mut table = Table::new(1, 1000);
    table.offer(1, "a b c d");
    let reply = table.ask(1, ToOwner::Withdraw(run(0, 3)));
    assert_eq!(reply, Reply::Withdrawn { count: 2 });
    table.want(2, 9);
    table.take(2, 1);
    let effects = table.say(2, ToOwner::Took);
    assert_eq!(effects[0], Effect::Admitted(1, 4));
    assert_eq!(effects[1], delivered(2, 1, "d")[0]);
}

#[test]
fn withdrawing_the_first_in_line_lets_the_next_one_in() {
    let mut table = Table::new(10, 10);
    table.offer(1, "aaaa");
    table.try_say(1, ToOwner::Surrender(table.owner.ledger.lent)).unwrap();
    table.effects();
    table.offer(1, "0123456789");
    assert_eq!(table.offer(2, "b"), []);
    let effects = table.say(1, ToOwner::Withdraw(run(1, 1)));
    assert_eq!(effects[0], Effect::Admitted(2, 1));
}

#[test]
fn a_client_may_not_offer_without_limit() {
    let mut table = Table::new(1, 1000);
    table.offer(2, "x");
    let item: &[u8] = b"y";
    let many = vec![item; MAX_OFFERED_ITEMS as usize + 1];
    let outcome = table.owner.offer(id(1), many, &mut table.log);
    assert_eq!(outcome, Err(Violation::TooManyOffers));
}

#[test]
fn credit_that_bars_a_large_item_is_asked_for() {
    let mut table = Table::new(100, 100);
    let credit = granted(&table.offer(1, "a"));
    let large = "l".repeat(90);
    table.want(3, 10);
    table.take(3, 1);
    assert_eq!(table.offer(2, &large), [Effect::Revoke(1)]);
    assert_eq!(table.say(2, ToOwner::Took), [], "it is asked once");
    let effects = table.say(1, ToOwner::Surrender(credit));
    assert_eq!(effects[0], Effect::Admitted(2, 1));
}

#[test]
fn nothing_is_lent_while_an_offer_waits() {
    let mut table = Table::new(100, 100);
    assert_eq!(granted(&table.offer(1, "a")).bytes, 50);
    assert_eq!(table.offer(2, &"h".repeat(50)), []);
    for _ in 0..5 {
        assert_eq!(table.put(1, "0123456789"), []);
    }
}

#[test]
fn nobody_gives_back_more_credit_than_it_has() {
    let mut table = Table::new(10, 100);
    let credit = granted(&table.offer(1, "a")) + Amount::one(0);
    let outcome = table.try_say(1, ToOwner::Surrender(credit));
    assert_eq!(outcome, Err(Violation::OverSurrendered));
}

#[test]
fn a_producer_that_dies_leaves_its_items_and_returns_its_credit() {
    let mut table = Table::new(3, 1000);
    assert_eq!(granted(&table.offer(1, "a")).items, 0);
    table.offer(1, "b c");
    assert_eq!(table.offer(1, "d"), []);
    table.offer(2, "e");
    table.down(1);
    assert_eq!(table.waiting_items(), 3);
    table.want(3, 9);
    table.take(3, 3);
    let effects = table.say(3, ToOwner::Took);
    assert_eq!(effects[..2], [Effect::Admitted(2, 1), delivered(3, 3, "e")[0].clone()]);

    let mut table = Table::new(10, 1000);
    assert_eq!(granted(&table.offer(1, "a")).items, 7);
    table.down(1);
    assert_eq!(table.owner.ledger.lent, Amount::ZERO);
    assert_eq!(granted(&table.offer(2, "b")).items, 6);
}

#[test]
fn close_refuses_offers_and_admits_what_was_put_for_credit() {
    let mut table = Table::new(4, 1000);
    let credit = granted(&table.offer(1, "a"));
    assert_eq!(credit.items, 1);
    table.offer(2, "b c");
    assert_eq!(table.offer(2, "d"), []);
    let mut effects = table.say(3, ToOwner::Close);
    assert_eq!(effects.remove(0), refused(2, 2, 1, Reason::Closed));
    assert_eq!(effects, [1, 2, 3].map(Effect::Closed));
    assert_eq!(table.put(1, "e"), []);
    assert_eq!(table.waiting_items(), 4);
    assert_eq!(table.offer(2, "f g"), [refused(2, 3, 2, Reason::Closed)]);
    assert_eq!(table.say(3, ToOwner::Close), []);
}

#[test]
fn credited_items_behind_offers_survive_close_and_their_producer() {
    let mut table = Table::new(10, 100);
    table.offer(1, "a");
    let large = "l".repeat(80);
    table.offer(1, &large);
    table.put(1, "b");
    let effects = table.say(2, ToOwner::Close);
    assert_eq!(effects[0], refused(1, 1, 1, Reason::Closed));
    table.down(1);
    assert_eq!(table.want(2, 9)[0], delivered(2, 0, "a b")[0]);

    // The same, with the item still waiting when its producer dies.
    let mut table = Table::new(10, 100);
    let (first, large) = ("f".repeat(49), "l".repeat(60));
    table.offer(1, "a");
    table.offer(2, &first);
    table.offer(2, &large);
    table.offer(1, &large);
    table.put(1, "b");
    table.down(1);
    assert_eq!(table.waiting_items(), 2);
    table.down(2);
    assert_eq!(table.want(3, 9), delivered(3, 0, &format!("a {first} b")));
}
