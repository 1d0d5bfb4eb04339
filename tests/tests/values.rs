//! Values that refuse to be encoded or decoded, panic on the way, or put other values meanwhile: nothing is lost but them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use callboard::{GetError, Node, PutError, Queue, QueueOptions};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

callboard::test_door!();

/// A number that behaves as it says.
#[derive(Clone, Debug, PartialEq)]
struct Odd(u64);

const REFUSES: u64 = 1000;
const PANICS: u64 = 1001;
const IS_REFUSED: u64 = 1002;
const PANICS_THERE: u64 = 1003;

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            REFUSES => Err(S::Error::custom("it does not want to")),
            PANICS => panic!("while it is encoded"),
            n => serializer.serialize_u64(n),
        }
    }
}

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            IS_REFUSED => Err(D::Error::custom("nobody wants it")),
            PANICS_THERE => panic!("while it is decoded"),
            n => Ok(Odd(n)),
        }
    }
}

/// Puts into another queue while it is encoded, and again while it is decoded.
#[derive(Debug)]
struct Nested(Queue<u64>);

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.put(1).map_err(S::Error::custom)?;
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let queue: Queue<u64> = Queue::deserialize(deserializer)?;
        queue.put(2).map_err(D::Error::custom)?;
        Ok(Nested(queue))
    }
}

fn sums(_: &Node, queue: Queue<Odd>) -> (u64, u64, u64) {
    let (mut sum, mut undecodable, mut panicked) = (0, 0, 0);
    loop {
        match catch_unwind(AssertUnwindSafe(|| queue.get())) {
            Ok(Ok(Odd(n))) => sum += n,
            Ok(Err(GetError::Decode(error))) => {
                assert!(error.to_string().contains("nobody wants it"), "{error}");
                undecodable += 1;
            }
            Ok(Err(GetError::Closed)) => return (sum, undecodable, panicked),
            Ok(Err(other)) => panic!("{other}"),
            Err(_) => panicked += 1,
        }
    }
}

/// > An item that can't be encoded or decoded, or panics on the way, costs only itself.
#[test]
fn an_item_that_refuses_or_panics_costs_only_itself() {
    let node = Node::start().unwrap();
    let here: Queue<Odd> = node.anonymous(QueueOptions::new());
    let there: Queue<Odd> = node.anonymous(QueueOptions::new());
    let child = node.process("sums").stderr_null().spawn(sums, there.clone()).unwrap();
    for queue in [&here, &there] {
        for n in 0..100 {
            queue.put(Odd(n)).unwrap();
            if n % 10 == 0 {
                let Err(PutError::Encode(item, error)) = queue.put(Odd(REFUSES)) else {
                    panic!("it was put")
                };
                assert!(item == Odd(REFUSES) && error.to_string().contains("does not want to"), "{error}");
                assert!(catch_unwind(AssertUnwindSafe(|| queue.put(Odd(PANICS)))).is_err());
                queue.put(Odd(IS_REFUSED)).unwrap();
                queue.put(Odd(PANICS_THERE)).unwrap();
            }
        }
        queue.close().unwrap();
    }
    assert_eq!(here.len(), Ok(120));
    assert_eq!(sums(&node, here), (4950, 10, 10));
    assert_eq!(child.join().unwrap(), (4950, 10, 10));
    assert!(there.is_empty().unwrap());
}

/// > A leased item that can't be decoded is told to one getter, once, and is a dead letter.
#[test]
fn a_lease_of_an_item_that_can_not_be_decoded_costs_only_that_item() {
    let node = Node::start().unwrap();
    let queue: Queue<Odd> = node.anonymous(QueueOptions::new().max_attempts(2));
    queue.put(Odd(IS_REFUSED)).unwrap();
    assert!(matches!(queue.lease(), Err(GetError::Decode(_))));
    let (letters, _) = queue.dead_letters().unwrap();
    assert_eq!(
        (letters.len(), letters[0].attempts, letters[0].cause),
        (1, 1, "its consumer could not read it")
    );
    queue.put(Odd(PANICS_THERE)).unwrap();
    queue.put(Odd(5)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| queue.lease().map(drop))).is_err());
    let lease = queue.lease().unwrap();
    assert_eq!(*lease, Odd(5));
    lease.ack();
    assert!(queue.join_timeout(callboard_tests::PATIENCE).unwrap(), "nobody holds the one that panicked");
}

/// > A loop over a queue passes over what can't be decoded.
#[test]
fn a_loop_over_a_queue_passes_over_what_can_not_be_decoded() {
    let node = Node::start().unwrap();
    let queue: Queue<Odd> = node.anonymous(QueueOptions::new());
    for n in [1, IS_REFUSED, 2, IS_REFUSED, IS_REFUSED, 3] {
        queue.put(Odd(n)).unwrap();
    }
    assert_eq!(queue.get_many(9).unwrap(), [Odd(1), Odd(2), Odd(3)]);
    for n in [4, IS_REFUSED, 5] {
        queue.put(Odd(n)).unwrap();
    }
    queue.close().unwrap();
    assert!(queue.iter().eq([Odd(4), Odd(5)]));
}

#[test]
fn values_that_put_other_values_on_their_way_arrive() {
    fn gets(_: &Node, queue: Queue<Nested>) -> u64 {
        let Nested(inner) = queue.get().unwrap();
        inner.put(3).unwrap();
        7
    }
    let node = Node::start().unwrap();
    let inner: Queue<u64> = node.anonymous(QueueOptions::new());
    let outer: Queue<Nested> = node.anonymous(QueueOptions::new());
    outer.put(Nested(inner.clone())).unwrap();
    assert_eq!(node.spawn("gets", gets, outer).unwrap().join().unwrap(), 7);
    assert_eq!((inner.get(), inner.get(), inner.get()), (Ok(1), Ok(2), Ok(3)));
    assert!(inner.is_empty().unwrap());
}

#[test]
fn a_handle_that_is_decoded_outside_of_a_node_is_an_error() {
    let node = Node::start().unwrap();
    let queue: Queue<u64> = node.anonymous(QueueOptions::new());
    let mut bytes = Vec::new();
    callboard_core::encode_into(&queue, &mut bytes).unwrap();
    let error = callboard_core::decode::<Queue<u64>>(&bytes).unwrap_err();
    assert!(error.to_string().contains("only where a node receives it"), "{error}");
}
