//! What a node may have of another has a limit: whoever goes beyond it is cut off, and nobody else notices.

use std::time::Duration;

use callboard_core::limits::{HEADER_BYTES, MAX_AWAITED_ENDS_PER_NODE, MAX_WAITING_PER_NODE};
use callboard_core::{Address, NodeId};
use serde_bytes::ByteBuf;

use super::tests::send;
use super::*;
use crate::protocol::dict::wire::Ask as DictAsk;
use crate::registry::{Ask, Entry};

fn asks(runtime: &Arc<Runtime>, from: usize, word: u64, ask: &Ask) -> Result<(), String> {
    send(runtime, from, REGISTRY, Kind::Call, word, &encoded(ask))
}

fn look(name: &str) -> Ask {
    Ask::Lookup { name: name.to_owned(), wait: true }
}

fn register(name: &str, of: NodeId, type_name: String) -> Ask {
    let address = Address { node: of, slot: Slot { index: 5, generation: 1 } };
    Ask::Register { name: name.to_owned(), entry: Entry { address, type_name }, key: 0 }
}

fn has_told(runtime: &Arc<Runtime>, node_at: usize) -> usize {
    runtime.new_peer(node(node_at)).unsent_bytes()
}

/// > Ten thousand look-ups of one node wait for a name at once, and all are answered when it comes.
#[test]
fn thousands_of_look_ups_of_one_node_wait_and_all_are_answered() {
    let runtime = runtime();
    for word in 0..10_000 {
        assert_eq!(asks(&runtime, 1, word, &look("/a")), Ok(()));
    }
    assert_eq!(has_told(&runtime, 1), 0);
    assert_eq!(asks(&runtime, 2, 1, &register("/a", node(2), "Queue<u64>".to_owned())), Ok(()));
    assert!(has_told(&runtime, 1) > 10_000 * HEADER_BYTES);
    assert_eq!(runtime.registry().unwrap().has(), [1, 0, 0]);
}

/// > A node that has more look-ups, names or awaited ends at another than there may be is cut off with the reason; nothing of it is left, and nobody else notices.
#[test]
fn more_look_ups_than_there_may_be_cut_a_node_off() {
    let runtime = runtime();
    assert_eq!(asks(&runtime, 2, 1, &look("/a")), Ok(()));
    for word in 0..MAX_WAITING_PER_NODE as u64 {
        assert_eq!(asks(&runtime, 1, word, &look("/a")), Ok(()));
    }
    let refused = asks(&runtime, 1, u64::MAX, &look("/b")).unwrap_err();
    assert!(refused.contains("look-ups of one node"), "{refused}");
    assert_eq!(asks(&runtime, 2, 2, &look("/a")), Ok(()), "another's");
    runtime.peer_ended(&runtime.new_peer(node(1)), &Ending::Closed);
    assert_eq!(runtime.registry().unwrap().has(), [0, 0, 2], "nothing of it is left");
}

/// > A node gives and frees names of objects on itself alone; one that tries others is cut off.
#[test]
fn a_name_for_what_is_another_nodes_cuts_a_node_off() {
    let runtime = runtime();
    let sound = |of| register("/a", of, "Queue<u64>".to_owned());
    for of in [0, 2] {
        let refused = asks(&runtime, 1, 1, &sound(node(of))).unwrap_err();
        assert!(refused.contains("another node's"), "{refused}");
    }
    assert_eq!(asks(&runtime, 1, 1, &sound(node(1))), Ok(()));
    let address = Address { node: node(1), slot: Slot { index: 5, generation: 1 } };
    let takes_it = Ask::Release { name: "/a".to_owned(), address };
    assert!(asks(&runtime, 2, 1, &takes_it).unwrap_err().contains("another node's"));
    assert_eq!(runtime.registry().unwrap().has(), [1, 0, 0]);
}

#[test]
fn names_that_are_too_long_cut_a_node_off() {
    let runtime = runtime();
    let long = "n".repeat(256);
    let of_long_type = register("/a", node(1), "t".repeat(64 * 1024 + 1));
    for ask in [look(&long), register(&long, node(1), String::new())] {
        assert!(asks(&runtime, 1, 1, &ask).unwrap_err().contains("a name of 256 bytes"));
    }
    assert!(asks(&runtime, 1, 1, &of_long_type).unwrap_err().contains("a type's name of 65537 bytes"));
    assert_eq!(runtime.registry().unwrap().has(), [0, 0, 0]);
}

/// > A node that has more look-ups, names or awaited ends at another than there may be is cut off with the reason; nothing of it is left, and nobody else notices.
#[test]
fn more_awaited_ends_than_there_may_be_cut_a_node_off() {
    let runtime = runtime();
    runtime.control.join(node(3));
    let awaits = encoded(&Control::AwaitEnd { node: node(3) });
    let asks = |from: usize, word: u64| send(&runtime, from, CONTROL, Kind::Call, word, &awaits);
    assert_eq!(asks(2, 1), Ok(()));
    for word in 0..MAX_AWAITED_ENDS_PER_NODE as u64 {
        assert_eq!(asks(1, word), Ok(()));
    }
    let refused = asks(1, u64::MAX).unwrap_err();
    assert!(refused.contains("ends are awaited by one node"), "{refused}");
    assert_eq!(asks(2, 2), Ok(()), "another's");
    runtime.peer_ended(&runtime.new_peer(node(1)), &Ending::Closed);
    assert_eq!(runtime.control.awaited(), 2, "nothing of it is left");
    runtime.peer_ended(&runtime.new_peer(node(3)), &Ending::Closed);
    assert!(has_told(&runtime, 2) > 0);
    assert_eq!(runtime.control.awaited(), 0);
}

/// > An owner has one timer at a time, however many ever earlier times are asked for.
#[test]
fn an_owner_has_one_timer_however_often_it_is_asked_for_an_earlier_one() {
    let runtime = runtime();
    let cells = Cells::new(&runtime, &mut Draw::new(&[]));
    for left in (1..2_000_u64).rev() {
        let (key, value) = (ByteBuf::from(left.to_le_bytes()), ByteBuf::from([0]));
        let insert = DictAsk::Insert(key, value, Some(Duration::from_secs(1_000 + left)));
        let insert = encoded(&Envelope::<DictAsk>::Ask(insert));
        assert_eq!(send(&runtime, 1, cells.dict.address.slot, Kind::Call, left, &insert), Ok(()));
        assert_eq!(runtime.ticks(), 1);
    }
}
