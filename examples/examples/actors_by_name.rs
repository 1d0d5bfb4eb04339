// cargo run --release -p callboard-examples --example actors_by_name
//! Producers and a consumer as actors in three processes, which find each other by name.
//!
//! The consumer counts words. Each producer reads its text and sends the words; it tells the consumer when it has come to
//! the end. Whoever asks for the counts gets them once all have.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard::{Actor, ActorRef, Context, Failure, Node, ReplyTo};
use serde::{Deserialize, Serialize};

const WITHIN: Duration = Duration::from_secs(10);

type Counts = BTreeMap<String, u64>;

#[derive(Debug, Serialize, Deserialize)]
enum Count {
    Word(String),
    End,
    /// Answered after that many ends.
    Total(usize, ReplyTo<Counts>),
}

#[derive(Default)]
struct Counter {
    counts: Counts,
    ends: usize,
    asked: Option<(usize, ReplyTo<Counts>)>,
}

impl Actor for Counter {
    type Message = Count;
    type Args = ();

    fn start(_: &mut Context<Count>, (): ()) -> Result<Self, Failure> {
        Ok(Self::default())
    }

    fn handle(&mut self, context: &mut Context<Count>, message: Count) -> Result<(), Failure> {
        match message {
            Count::Word(word) => *self.counts.entry(word).or_default() += 1,
            Count::End => self.ends += 1,
            Count::Total(ends, reply) => self.asked = Some((ends, reply)),
        }
        if let Some((_, reply)) = self.asked.take_if(|(ends, _)| *ends == self.ends) {
            reply.send(std::mem::take(&mut self.counts))?;
            context.stop();
        }
        Ok(())
    }
}

/// Sends the words of a text to the actor of that name.
struct Producer {
    to: ActorRef<Count>,
}

impl Actor for Producer {
    type Message = String;
    type Args = ActorRef<Count>;

    fn start(_: &mut Context<String>, to: ActorRef<Count>) -> Result<Self, Failure> {
        Ok(Self { to })
    }

    fn handle(&mut self, _: &mut Context<String>, text: String) -> Result<(), Failure> {
        for word in text.split_whitespace() {
            self.to.cast(Count::Word(word.to_owned()))?;
        }
        Ok(self.to.cast(Count::End)?)
    }
}

/// A process with a producer in it, until it is asked to end.
fn produces(node: &Node, name: String) -> Result<(), Failure> {
    let to = node.open_timeout("/counter", WITHIN)?;
    node.actor::<Producer>(to).name(name).start()?;
    node.wait_stopping(WITHIN);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let counter = node.actor::<Counter>(()).name("/counter").start()?;
    let texts = [("/producer/1", "to be or not to be"), ("/producer/2", "that is the question to be asked")];
    let mut processes = Vec::new();
    for (name, text) in texts {
        processes.push(node.spawn(name, produces, name.to_owned())?);
        node.open_timeout::<ActorRef<String>>(name, WITHIN)?.cast(text.to_owned())?;
    }
    let counts = counter.call_timeout(|reply| Count::Total(texts.len(), reply), WITHIN)?;
    for (word, count) in &counts {
        println!("{count} {word}");
    }
    for process in processes {
        process.terminate(WITHIN);
        process.join()??;
    }
    Ok(())
}
