//! Demand, deliveries, what comes back, the end.

use super::super::limits::MAX_DEMAND_ITEMS;
use super::*;

/// A table with room for everybody and these items put.
fn table(items: &str) -> Table {
    let mut table = Table::new(1000, 1 << 20);
    table.offer(1, items);
    table
}

fn surrender_all(table: &mut Table, client: u64) -> Vec<Effect> {
    let all = table.owner.ledger.lent;
    table.say(client, ToOwner::Surrender(all))
}

#[test]
fn a_put_goes_to_a_waiting_consumer_at_once() {
    let mut table = table("a");
    assert_eq!(table.want(2, 2), delivered(2, 0, "a"));
    assert_eq!(table.put(1, "b c"), delivered(2, 1, "b"));
    assert_eq!(table.want(2, 5), delivered(2, 2, "c"));
}

#[test]
fn consumers_that_wait_share_a_batch() {
    let mut table = table("");
    table.offer(1, "x");
    table.want(2, 100);
    table.want(3, 100);
    table.want(4, 1);
    let effects = table.put(1, "a b c d e f g");
    let shares = [(2, 1, "a b c"), (3, 0, "d e"), (4, 0, "f"), (2, 4, "g")];
    let expected: Vec<_> = shares.map(|(to, at, w)| delivered(to, at, w)).concat();
    assert_eq!(effects, expected);
    assert_eq!(table.put(1, "h"), delivered(3, 2, "h"));
    assert_eq!(table.put(1, "i"), delivered(2, 5, "i"));
}

#[test]
fn giving_back_takes_the_demand_back_and_leaves_what_came_before() {
    let mut table = table("a");
    table.want(2, 2);
    assert_eq!(table.ask(2, ToOwner::GiveBack { from_seq: 1 }), Reply::Returned { count: 0 });
    assert_eq!(table.put(1, "b"), []);
    assert_eq!(table.want(3, 1), delivered(3, 0, "b"));
}

#[test]
fn fetch_delivers_what_is_there_and_leaves_no_demand() {
    let mut table = table("a b");
    let fetch = ToOwner::Fetch { max: 3, terms: Terms::Taken };
    let reply = table.ask(2, fetch.clone());
    let none = Reply::Fetched { count: 0, ended: false };
    assert_eq!(table.effects(), delivered(2, 0, "a b"));
    assert!(matches!(reply, Reply::Fetched { count: 2, .. }));
    assert_eq!(table.ask(2, fetch), none);
    assert_eq!(table.put(1, "c"), []);
}

#[test]
fn demand_has_a_limit() {
    let mut table = table("");
    table.want(2, MAX_DEMAND_ITEMS);
    for count in [1, u64::MAX] {
        let terms = Terms::Taken;
        let outcome = table.try_say(2, ToOwner::Want { count, terms });
        assert_eq!(outcome, Err(Violation::TooMuchDemand));
    }
}

#[test]
fn prefetched_items_count_until_user_code_has_them() {
    let mut table = table("a b c");
    table.want(2, 9);
    assert_eq!(table.waiting_items(), 3);
    table.take(2, 2);
    assert_eq!(table.waiting_items(), 1);
}

#[test]
fn given_back_items_go_to_the_head_in_order_and_numbers_start_there_again() {
    let mut table = table("a b c d e");
    table.want(2, 4);
    table.take(2, 1);
    let reply = table.ask(2, ToOwner::GiveBack { from_seq: 2 });
    assert_eq!(reply, Reply::Returned { count: 2 });
    assert_eq!(table.want(3, 3), delivered(3, 0, "c d e"));
    assert_eq!(table.want(2, 1), []);
    assert_eq!(table.put(1, "g"), delivered(2, 2, "g"));
}

#[test]
fn giving_back_what_is_in_user_hands_or_was_never_there_is_a_violation() {
    let mut table = table("a b");
    table.want(2, 2);
    table.take(2, 1);
    for from_seq in [0, 3, u64::MAX] {
        let outcome = table.try_say(2, ToOwner::GiveBack { from_seq });
        assert_eq!(outcome, Err(Violation::WrongGiveBack));
    }
}

#[test]
fn a_dead_consumers_items_beyond_its_count_go_back_to_the_head_in_order() {
    let mut table = table("a b c d");
    table.want(2, 3);
    table.take(2, 1);
    table.down(2);
    assert_eq!(table.want(3, 9), delivered(3, 0, "b c d"));
}

#[test]
fn a_dead_consumers_items_go_to_those_who_wait() {
    let mut table = table("a b");
    table.want(2, 2);
    table.want(3, 2);
    assert_eq!(table.down(2), delivered(3, 0, "a b"));
    assert_eq!(table.put(1, "c"), []);
}

#[test]
fn a_wrong_count_harms_nobody_else() {
    let mut table = table("a b c");
    table.want(2, 1);
    table.take(2, u64::MAX);
    assert_eq!(table.waiting_items(), 2);
    table.log.words.insert(id(2), 0);
    assert_eq!(table.want(2, 1), delivered(2, 1, "b"));
    table.down(2);
    assert_eq!(table.want(3, 9), delivered(3, 0, "b c"));
}

#[test]
fn a_consumer_is_watched_while_an_offer_waits_for_its_takes() {
    let mut table = Table::new(2, 1000);
    table.want(2, 9);
    table.offer(1, "a b");
    assert_eq!(table.offer(1, "c"), [Effect::Watch(2)]);
    assert_eq!(table.offer(1, "d"), [], "one mark is enough");
    table.take(2, 1);
    let effects = table.say(2, ToOwner::Took);
    let mut expected = vec![Effect::Admitted(1, 3)];
    expected.extend(delivered(2, 2, "c"));
    expected.push(Effect::Watch(2));
    assert_eq!(effects, expected);
}

#[test]
fn a_take_that_nobody_told_of_is_seen_before_an_offer_waits() {
    let mut table = Table::new(1, 1000);
    table.want(2, 9);
    table.offer(1, "a");
    table.take(2, 1);
    let mut expected = vec![Effect::Admitted(1, 2)];
    expected.extend(delivered(2, 1, "b"));
    assert_eq!(table.offer(1, "b"), expected);
}

#[test]
fn confirm_is_answered_when_what_came_before_is_handled() {
    let mut table = table("a");
    assert_eq!(table.ask(1, ToOwner::Confirm), Reply::Confirmed);
}

#[test]
fn the_end_comes_when_the_queue_is_closed_and_drained() {
    let mut table = table("a");
    table.say(1, ToOwner::Close);
    assert_eq!(surrender_all(&mut table, 1), []);
    assert_eq!(table.want(2, 1), delivered(2, 0, "a"));
    assert_eq!(table.want(3, 1), [Effect::Watch(2)]);
    table.take(2, 1);
    assert_eq!(table.say(2, ToOwner::Took), [Effect::Ended(3)]);
    assert_eq!(table.want(2, 1), [Effect::Ended(2)]);
    let fetch = ToOwner::Fetch { max: 1, terms: Terms::Taken };
    let ended = Reply::Fetched { count: 0, ended: true };
    assert_eq!(table.ask(3, fetch), ended);
}

#[test]
fn the_end_waits_for_what_may_come_back() {
    let mut table = table("a");
    table.want(2, 1);
    table.say(1, ToOwner::Close);
    surrender_all(&mut table, 1);
    assert_eq!(table.want(3, 1), [Effect::Watch(2)]);
    assert_eq!(table.down(2), delivered(3, 0, "a"));
}

#[test]
fn the_end_waits_for_what_may_still_come_for_credit() {
    let mut table = table("");
    table.offer(1, "a");
    table.want(2, 9);
    table.take(2, 1);
    assert_eq!(table.say(3, ToOwner::Close), [1, 2, 3].map(Effect::Closed));
    assert_eq!(table.put(1, "b")[0], delivered(2, 1, "b")[0]);
    table.take(2, 1);
    assert_eq!(surrender_all(&mut table, 1), [Effect::Ended(2)]);
}

#[test]
fn join_is_told_when_everything_put_has_been_taken() {
    let mut table = table("a b");
    table.want(2, 1);
    assert_eq!(table.say(3, ToOwner::Join { token: 7 }), []);
    assert_eq!(table.want(2, 1), [delivered(2, 1, "b"), vec![Effect::Watch(2)]].concat());
    table.take(2, 2);
    assert_eq!(table.say(2, ToOwner::Took), [Effect::Joined(3, 7)]);
    assert_eq!(table.say(3, ToOwner::Join { token: 8 }), [Effect::Joined(3, 8)]);
}

#[test]
fn join_waits_for_offers_too() {
    let mut table = Table::new(1, 100);
    table.offer(1, "a b");
    table.say(3, ToOwner::Join { token: 1 });
    table.want(2, 2);
    table.take(2, 1);
    table.say(2, ToOwner::Took);
    table.take(2, 1);
    assert!(table.say(2, ToOwner::Took).contains(&Effect::Joined(3, 1)));
}

#[test]
fn who_waits_no_longer_for_everything_to_be_settled_is_forgotten() {
    let mut table = table("a");
    for token in 0..3 * super::super::limits::MAX_JOINERS as u64 {
        table.say(3, ToOwner::Join { token });
        table.say(3, ToOwner::Unjoin { token });
    }
    table.say(3, ToOwner::Join { token: 1 });
    table.say(4, ToOwner::Unjoin { token: 1 });
    table.want(2, 1);
    table.take(2, 1);
    assert!(table.say(2, ToOwner::Took).contains(&Effect::Joined(3, 1)));
}

#[test]
fn a_holder_is_asked_once_to_give_back_what_it_does_not_take() {
    let mut table = table("a b");
    table.want(2, 2);
    table.want(3, 1);
    assert!(table.owner.is_starving());
    assert_eq!(table.owner.idle_holders(&table.log), [], "it may be about to take them");
    assert!(table.owner.is_starving());
    assert_eq!(table.owner.idle_holders(&table.log), [id(2)]);
    assert!(!table.owner.is_starving(), "there is nothing to do but to wait for its answer");
    // It takes one after all, and somebody tells.
    table.take(2, 1);
    table.want(3, 1);
    assert!(table.owner.is_starving());
    assert_eq!(table.owner.idle_holders(&table.log), []);
    assert_eq!(table.owner.idle_holders(&table.log), [id(2)]);
    assert_eq!(table.ask(2, ToOwner::GiveBack { from_seq: 1 }), Reply::Returned { count: 1 });
    assert_eq!(table.effects()[0], delivered(3, 0, "b")[0]);
}

#[test]
fn what_belongs_to_an_item_is_kept_until_user_code_has_it_and_closed_with_it() {
    let mut table = table("");
    let (reader, writer) = std::io::pipe().unwrap();
    let is_closed = || {
        use std::io::Write as _;
        (&writer).write_all(b"x").is_err()
    };
    let parcel = Item::new(b"parcel", vec![reader.into()].into());
    table.owner.offer(id(1), [parcel], &mut table.log).unwrap();
    table.offer(1, "after");
    let to = |client, seq| Effect::DeliverParcel(client, seq, "parcel".to_owned(), 1);
    table.want(2, 2);
    table.down(2);
    assert!(!is_closed(), "it was not taken");
    let again = table.want(3, 2);
    assert_eq!(again[0], to(3, 0));
    assert_eq!(again[1..], delivered(3, 1, "after"));
    table.take(3, 1);
    assert!(!is_closed());
    table.say(3, ToOwner::Took);
    assert!(is_closed());
}

#[test]
fn a_refused_offer_is_closed_at_the_owner_and_a_dead_letter_brings_nothing_along() {
    let mut table = Table::with_attempts(1, 1 << 20, 1);
    let parcel = || {
        let (reader, writer) = std::io::pipe().unwrap();
        (Item::new(b"parcel", vec![reader.into()].into()), writer)
    };
    let is_closed = |mut writer: &std::io::PipeWriter| std::io::Write::write_all(&mut writer, b"x").is_err();
    let (first, one) = parcel();
    let (second, two) = parcel();
    table.owner.offer(id(1), [first], &mut table.log).unwrap();
    table.owner.offer(id(1), [second], &mut table.log).unwrap();
    table.say(1, ToOwner::Withdraw(Run { first: 1, count: 1 }));
    assert!(!is_closed(&one) && is_closed(&two));
    table.lease(2, 1, None);
    table.take(2, 1);
    table.say(2, ToOwner::Reject { seq: 0 });
    assert!(is_closed(&one));
    assert!(
        matches!(table.ask(2, ToOwner::DeadLetters), Reply::DeadLetters { letters, .. } if letters.len() == 1)
    );
}
