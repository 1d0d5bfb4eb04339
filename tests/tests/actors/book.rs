//! An actor that does whatever these tests want of it.

use callboard::{Actor, ActorRef, AskError, Context, Event, Failure, Node, PipeReceiver, Process, ReplyTo};
use callboard_tests::PATIENCE;
use serde::{Deserialize, Serialize};

/// Remembers numbers, and does what else these tests want of it.
pub(crate) struct Book {
    numbers: Vec<u64>,
    kept: Vec<ReplyTo<u64>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Say {
    Note(u64),
    Numbers(ReplyTo<Vec<u64>>),
    /// Answers with the sum of this and the latest number.
    Add(u64, ReplyTo<u64>),
    /// Never answers, until it is told to.
    Keep(ReplyTo<u64>),
    AnswerKept(u64),
    /// The last one first, each with its place.
    AnswerBackwards,
    Drop(ReplyTo<u64>),
    /// Has another answer.
    PassOn(ActorRef<Say>, ReplyTo<u64>),
    /// Calls another before it answers.
    AskFirst(ActorRef<Say>, ReplyTo<Result<u64, String>>),
    Wait(Event, Event),
    Pipe(PipeReceiver<u64>, ReplyTo<u64>),
    /// Goes from one to the next, the last one first, and is kept by whoever comes at the end.
    Relay(Vec<ActorRef<Say>>, ReplyTo<u64>),
    Spoilt(Spoilt),
    Me(ReplyTo<ActorRef<Say>>),
    Panic,
    Fail,
    Stop,
    CastToSelf(u64, ReplyTo<u64>),
}

/// Panics as it is decoded.
#[derive(Debug, Serialize)]
pub(crate) struct Spoilt;

impl<'de> Deserialize<'de> for Spoilt {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("its type is no good")
    }
}

impl Actor for Book {
    type Message = Say;
    type Args = Vec<u64>;

    fn start(context: &mut Context<Say>, numbers: Vec<u64>) -> Result<Self, Failure> {
        match numbers.first() {
            Some(13) => return Err(Failure::new("not that number")),
            Some(14) => panic!("not that one either"),
            Some(15) => context.stop(),
            _ => {}
        }
        Ok(Book { numbers, kept: Vec::new() })
    }

    fn handle(&mut self, context: &mut Context<Say>, message: Say) -> Result<(), Failure> {
        match message {
            Say::Note(number) => self.numbers.push(number),
            Say::Numbers(reply) => reply.send(self.numbers.clone())?,
            Say::Add(number, reply) => reply.send(number + self.numbers.last().copied().unwrap_or(0))?,
            Say::Keep(reply) => self.kept.push(reply),
            Say::AnswerKept(number) => {
                for reply in self.kept.drain(..) {
                    reply.send(number)?;
                }
            }
            Say::AnswerBackwards => {
                for (place, reply) in self.kept.drain(..).enumerate().rev() {
                    reply.send(place as u64)?;
                }
            }
            Say::Drop(reply) => drop(reply),
            // If that fails, the message comes back, and the right to reply in it is dropped.
            Say::PassOn(other, reply) => drop(other.cast(Say::Add(1, reply))),
            Say::AskFirst(other, reply) => {
                reply.send(other.call(|reply| Say::Add(1, reply)).map_err(|error| error.to_string()))?;
            }
            Say::Wait(begun, go) => {
                begun.set()?;
                go.wait()?;
            }
            Say::Pipe(end, reply) => reply.send(end.recv()?)?,
            Say::Relay(mut rest, reply) => match rest.pop() {
                Some(next) => drop(next.cast(Say::Relay(rest, reply))),
                None => self.kept.push(reply),
            },
            Say::Me(reply) => reply.send(context.me().clone())?,
            Say::Spoilt(_) => return Err(Failure::new("it can't be read")),
            Say::Panic => panic!("as it was told"),
            Say::Fail => return Err(Failure::new("as it was told")),
            Say::Stop => context.stop(),
            Say::CastToSelf(count, reply) => {
                let sent = (0..count).take_while(|n| context.me().cast(Say::Note(*n)).is_ok()).count();
                assert!(matches!(context.me().call(Say::Numbers), Err(AskError::Itself)));
                assert!(matches!(context.me().begin_call(Say::Numbers), Err(AskError::Itself)));
                reply.send(sent as u64)?;
            }
        }
        Ok(())
    }
}

/// Keeps an actor of that name until it is told to end.
fn keeps(node: &Node, (name, capacity): (String, u64)) {
    let _book = node.actor::<Book>(vec![]).name(name).capacity(capacity).start().unwrap();
    node.wait_stopping(PATIENCE * 10);
}

pub(crate) fn elsewhere(node: &Node, name: &str, capacity: u64) -> (Process<()>, ActorRef<Say>) {
    let child = node.process("keeps").stderr_null().spawn(keeps, (name.to_owned(), capacity)).unwrap();
    (child, node.open_timeout(name, PATIENCE).unwrap())
}

pub(crate) fn numbers(book: &ActorRef<Say>) -> Vec<u64> {
    book.call_timeout(Say::Numbers, PATIENCE).unwrap()
}
