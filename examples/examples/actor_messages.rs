// cargo run --release -p callboard-examples --example actor_messages
//! An account in a process of its own, whose methods are its messages.
//!
//! The enum of its messages, the code that handles them and the methods of whoever sends them are written by the attribute.

use std::time::Duration;

use callboard::{AskError, Context, Exit, Failure, Node, ReplyTo};

const WITHIN: Duration = Duration::from_secs(10);

struct Account {
    balance: u64,
    waiting: Vec<(u64, ReplyTo<u64>)>,
}

#[callboard::messages]
impl Account {
    fn start(_: &mut Context<AccountMessage>, balance: u64) -> Result<Self, Failure> {
        Ok(Self { balance, waiting: Vec::new() })
    }

    /// Returns nothing: a cast.
    fn deposit(&mut self, amount: u64) {
        self.balance += amount;
        let balance = self.balance;
        for (_, reply) in self.waiting.extract_if(.., |(least, _)| *least <= balance) {
            // Whoever waits no longer does not see it.
            let _ = reply.send(balance);
        }
    }

    /// Returns something: a call, and an error is an answer too.
    fn withdraw(&mut self, amount: u64) -> Result<u64, String> {
        let left = self.balance.checked_sub(amount);
        self.balance = left.ok_or_else(|| format!("there are only {}", self.balance))?;
        Ok(self.balance)
    }

    /// Takes a right to reply: a call that is answered later.
    fn wait_for(&mut self, least: u64, reply: ReplyTo<u64>) {
        self.waiting.push((least, reply));
    }

    /// A cast whose error ends the actor.
    #[cast]
    fn deposit_text(&mut self, text: String) -> Result<(), Failure> {
        self.deposit(text.parse()?);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let account = node.actor::<Account>(10).name("/account").own_process().start()?;
    let monitor = account.monitor();

    account.deposit(30)?;
    println!("{} are left", account.withdraw(15)??);
    if let Err(why) = account.withdraw_timeout(100, WITHIN)? {
        println!("no: {why}");
    }

    // The plain form, for a call that is left under way.
    let rich = account.begin_call(|reply| AccountMessage::WaitFor { least: 1000, reply })?;
    account.deposit_text("975".to_owned())?;
    println!("there are {} at last", rich.wait()?);

    account.deposit_text("a fortune".to_owned())?;
    let down = monitor.wait_timeout(WITHIN).ok_or("it lives on")?;
    if let Exit::Failed(why) = down.exit {
        println!("it failed: {why}");
    }
    match account.withdraw(1) {
        Err(AskError::Gone | AskError::Disconnected) => println!("nobody answers any more"),
        other => println!("{other:?}"),
    }
    Ok(())
}
