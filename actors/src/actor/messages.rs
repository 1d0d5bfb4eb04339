//! Actors whose messages are written for them: the attribute, and what its code names.

/// What the code that [`messages`] writes names beside what users do.
pub mod generated {
    pub use serde;
}

/// Makes the methods of an actor its messages.
///
/// Above an impl of the type `Counter` it writes what one would write by hand:
/// - `CounterMessage`, an enum with a variant for each method, whose fields are the arguments, and the [`ReplyTo`](crate::ReplyTo) of
///   a method that answers.
/// - `Counter::dispatch`, which handles such a message by its method.
/// - `CounterHandle`, a trait with two methods for each of them, which every [`ActorRef<CounterMessage>`](crate::ActorRef) has: `add` waits, and
///   `add_timeout` waits at most that long.
/// - `impl Actor for Counter`, if the impl has the actor's `start`.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use callboard::{Context, Failure, Node};
///
/// struct Counter(u64);
///
/// #[callboard::messages]
/// impl Counter {
///     fn start(_: &mut Context<CounterMessage>, from: u64) -> Result<Self, Failure> {
///         Ok(Counter(from))
///     }
///
///     /// Adds.
///     fn add(&mut self, by: u64) {
///         self.0 += by;
///     }
///
///     fn get(&self) -> u64 {
///         self.0
///     }
///
///     /// The last one that it does.
///     fn divide(&mut self, context: &mut Context<CounterMessage>, by: u64) -> Result<u64, String> {
///         context.stop();
///         self.0.checked_div(by).ok_or_else(|| "nothing is divided by zero".to_owned())
///     }
/// }
///
/// let node = Node::start()?;
/// let counter = node.actor::<Counter>(40).start()?;
/// counter.add(2)?;
/// assert_eq!(counter.get_timeout(Duration::from_secs(10))?, 42);
/// assert_eq!(counter.call(|reply| CounterMessage::Get { reply })?, 42); // the same, in the plain form
/// assert_eq!(counter.divide(2)??, 21);
/// # Ok(())
/// # }
/// ```
///
/// # Which method is what
///
/// Each with `&mut self` or `&self` is a message: `put_in_order` is the variant `PutInOrder`. What is none goes into another impl; functions without `self` and
/// constants stay as they are. A `&mut Context<CounterMessage>` among the arguments is the actor's own, and does not travel.
///
/// | method | what is sent | an error that it returns |
/// |---|---|---|
/// | returns nothing | a cast | |
/// | returns `R`, a `Result` too | a call; `R` is the answer | is the answer, and the actor lives on |
/// | takes a `ReplyTo<R>`, returns nothing or `Result<(), E>` | a call, answered by that, whenever | ends the actor, with [`Exit::Failed`](crate::Exit::Failed); callers that have no answer are told [`Gone`](crate::AskError::Gone) |
/// | `#[cast]`, returns `Result<(), E>` | a cast | ends the actor, with [`Exit::Failed`](crate::Exit::Failed) |
///
/// So no error goes by unseen: either somebody waits for it, or the actor ends of it, as its monitors, links and supervisor are told. `E` is a
/// [`Failure`](crate::Failure) or any error. A panic ends the actor, as always. An answer that can't be encoded, or is too large, is such an end too, since `dispatch` uses `?` on
/// [`ReplyTo::send`](crate::ReplyTo::send).
///
/// Arguments and answers are serde values, as in any message. A `#[serde(..)]` on an argument is put on its field: `#[serde(with = "serde_bytes")] bytes:
/// Vec<u8>` travels as bytes. Documentation of a method is that of its variant and its handle's method too. A method that has a `cfg` gives it to both.
///
/// # The plain form beside it
///
/// Without `start` there is no `impl Actor`, and you write it, with whatever you like around `dispatch`; with it, `stopped`, `down` and `exited` of [`Actor`](crate::Actor)
/// may stand beside it. Whoever has an `ActorRef<CounterMessage>` has its own verbs too, as [`begin_call`](crate::ActorRef::begin_call), for which a message is written
/// as in any enum.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Actor, Context, Failure, Node, ReplyTo};
///
/// #[derive(Default)]
/// struct Bell {
///     rings: u64,
///     waiting: Vec<ReplyTo<u64>>,
/// }
///
/// #[callboard::messages]
/// impl Bell {
///     fn ring(&mut self) {
///         self.rings += 1;
///     }
///
///     /// Answered by the next ring.
///     fn wait_for_ring(&mut self, reply: ReplyTo<u64>) {
///         self.waiting.push(reply);
///     }
/// }
///
/// impl Actor for Bell {
///     type Message = BellMessage;
///     type Args = ();
///
///     fn start(_: &mut Context<BellMessage>, (): ()) -> Result<Self, Failure> {
///         Ok(Self::default())
///     }
///
///     fn handle(&mut self, context: &mut Context<BellMessage>, message: BellMessage) -> Result<(), Failure> {
///         let is_ring = matches!(message, BellMessage::Ring);
///         self.dispatch(context, message)?;
///         if is_ring {
///             for reply in self.waiting.drain(..) {
///                 reply.send(self.rings)?;
///             }
///         }
///         Ok(())
///     }
/// }
///
/// let node = Node::start()?;
/// let bell = node.actor::<Bell>(()).start()?;
/// let rung = bell.begin_call(|reply| BellMessage::WaitForRing { reply })?;
/// bell.ring()?;
/// assert_eq!(rung.wait()?, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Who may use them
///
/// The enum, the trait and `dispatch` are for the module alone. `#[callboard::messages(pub)]`, or any other visibility, makes them that. To call the
/// handle's methods elsewhere, the trait must be in scope.
///
/// # Refused
///
/// Generic methods and impls, `self` by value, `async`, patterns and references as arguments, and names that mean something else: of methods of
/// `ActorRef`, `handle`, `dispatch`, and two that are one variant. Each is an error of the compiler at that place.
///
/// ```compile_fail
/// struct Counter(u64);
///
/// #[callboard::messages]
/// impl Counter {
///     async fn add(&mut self, by: u64) {} // expected a method that is not async
/// }
/// ```
///
/// Source: the attributes of kameo and ractor, and stakker, where a method is the message.
#[doc(inline)]
pub use callboard_macros::messages;
