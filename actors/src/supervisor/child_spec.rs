//! What users say of a supervisor and its children.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backoff::Backoff;
use super::kid::{Kid, Told};
use super::nested::NestedKid;
use super::processes::ProcessKid;
use super::spec::{AutoShutdown, Plan, Restart, Settings, Shutdown, Strategy};
use crate::actor::{Actor, Kept, StartActor};
use crate::failure::Failure;
use crate::node::{Node, WeakNode};
use crate::process::run::run;
use crate::process::{Describe, Run, Spawn};

/// Makes what a supervisor starts.
type Make = Arc<dyn Fn(WeakNode, Told) -> Arc<dyn Kid> + Send + Sync>;

/// A supervisor's child: what it is, whether it is started again, and how it is stopped.
///
/// Permanent, unless [`restart`](Self::restart) says otherwise; asked to end, and killed if it has not within five seconds, unless
/// [`shutdown`](Self::shutdown) says otherwise; a supervisor is given the time it takes.
///
/// Source: child specifications of Erlang's `supervisor`.
#[derive(Clone)]
#[must_use = "a supervisor starts it"]
pub struct ChildSpec {
    pub(super) plan: Plan,
    pub(super) make: Make,
}

impl ChildSpec {
    /// An actor. `start` says how each of its lives begins; the supervisor starts it.
    ///
    /// Started again on the supervisor's node it lives on at the same address and under the same name: references stay good, its
    /// mailbox keeps what waits, and only the message in hand is gone. One [in its own process](StartActor::own_process) is another actor then, found by its
    /// name. Killed while its code runs it is given up: that code goes on for nobody, and a new life has another address.
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use callboard::{Actor, ActorRef, ChildSpec, Context, Failure, Node, ReplyTo, SupervisorSpec};
    /// # struct Divide;
    /// # impl Actor for Divide {
    /// #     type Message = (u64, u64, ReplyTo<u64>);
    /// #     type Args = ();
    /// #     fn start(_: &mut Context<Self::Message>, (): ()) -> Result<Self, Failure> { Ok(Divide) }
    /// #     fn handle(&mut self, _: &mut Context<Self::Message>, (a, b, reply): Self::Message) -> Result<(), Failure> {
    /// #         Ok(reply.send(a / b)?)
    /// #     }
    /// # }
    /// let node = Node::start()?;
    /// let divide = ChildSpec::actor("divide", |node| node.actor::<Divide>(()).name("/divide"));
    /// let supervisor = node.supervise(&SupervisorSpec::new().child(divide).quiet())?;
    /// let divide: ActorRef<(u64, u64, ReplyTo<u64>)> = node.open("/divide")?;
    /// assert!(divide.call(|reply| (1, 0, reply)).is_err()); // It panics, and is started again.
    /// assert_eq!(divide.call(|reply| (42, 7, reply))?, 6);
    /// supervisor.stop();
    /// supervisor.wait();
    /// # Ok(())
    /// # }
    /// ```
    pub fn actor<A, F>(name: impl Into<String>, start: F) -> Self
    where
        A: Actor,
        F: for<'n> Fn(&'n Node) -> StartActor<'n, A> + Clone + Send + Sync + 'static,
    {
        let make = move |node, told| Kept::create(start.clone(), node, told);
        Self { plan: Plan::worker(name), make: Arc::new(make) }
    }

    /// A process that runs `f(node, args)`, as [`Node::spawn`] does. An error that it returns is a failure, as are a panic, a signal and an
    /// exit code. It counts as started once there is a process. A pipeline, a pool, or a supervisor with a process of its own, is run in one: see
    /// the [guide](crate::guide::supervision).
    ///
    /// Asked to end it sees that in [`Node::stopping`]. One that supervises others needs more than the five seconds of
    /// [`shutdown`](Self::shutdown) if they do.
    pub fn process<A>(name: impl Into<String>, f: fn(&Node, A) -> Result<(), Failure>, args: A) -> Self
    where
        A: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        Self::described(name, Describe::default(), f, args)
    }

    /// The same, with a process that `describe` describes: environment, limits, streams and whatever a [`Spawn`] can be told.
    ///
    /// Its output can't be captured, since nobody could read it: then it does not start. Nor does it if it does not get what it asks
    /// for.
    ///
    /// ```
    /// use callboard::{ChildSpec, Limit};
    ///
    /// let _ = ChildSpec::process_with("parser", |it| it.limit(Limit::OpenFiles, 64).stdout_forwarded(), |_, ()| Ok(()), ());
    /// ```
    pub fn process_with<A>(
        name: impl Into<String>,
        describe: impl for<'n> Fn(Spawn<'n>) -> Spawn<'n> + Send + Sync + 'static,
        f: fn(&Node, A) -> Result<(), Failure>,
        args: A,
    ) -> Self
    where
        A: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        Self::described(name, Describe(Some(Arc::new(describe))), f, args)
    }

    /// A process that is a value, with the fields it has now each time it is started; see [`Run`], and [`process`](Self::process) for the rest.
    pub fn value<P>(name: impl Into<String>, process: P) -> Self
    where
        P: Run<Value = Result<(), Failure>> + Clone + Send + Sync + 'static,
    {
        Self::described(name, Describe::default(), run::<P>, process)
    }

    fn described<A>(
        name: impl Into<String>,
        describe: Describe,
        f: fn(&Node, A) -> Result<(), Failure>,
        args: A,
    ) -> Self
    where
        A: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    {
        let plan = Plan::worker(name);
        let process = plan.name.clone();
        let make = move |node, told| {
            ProcessKid::create(process.clone(), f, args.clone(), describe.clone(), node, told)
        };
        Self { plan, make: Arc::new(make) }
    }

    /// Another supervisor, with its children, on the same node.
    pub fn supervisor(name: impl Into<String>, spec: SupervisorSpec) -> Self {
        let plan = Plan::supervisor(name);
        let spec = spec.name(plan.name.clone());
        let make = move |node, told| NestedKid::create(spec.clone(), node, told);
        Self { plan, make: Arc::new(make) }
    }

    /// Whether it is started again when it has ended: [`Restart::Permanent`] unless it is set.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.plan.restart = restart;
        self
    }

    /// How it is stopped: [`Shutdown::Within`] five seconds unless it is set, [`Shutdown::Unlimited`] for a supervisor.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.plan.shutdown = shutdown;
        self
    }

    /// Its end by itself counts for the supervisor's [automatic shutdown](SupervisorSpec::auto_shutdown). Not for a permanent child, nor
    /// where that is [`AutoShutdown::Never`]: a supervisor refuses such a one as a
    /// [`BadSpec`](crate::SupervisorError::BadSpec).
    pub fn significant(mut self) -> Self {
        self.plan.is_significant = true;
        self
    }

    /// It waits before it is started again; without this it does not.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.plan.backoff = Some(backoff);
        self
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.plan, f)
    }
}

/// A supervisor: whom it starts again when a child fails, how often, and its children in the order in which they start.
///
/// [`Strategy::OneForOne`], three restarts within five seconds, no automatic shutdown, unless it is set.
///
/// Source: `supervisor` of Erlang's OTP.
#[derive(Clone, Debug)]
#[must_use = "`Node::supervise` starts it"]
pub struct SupervisorSpec {
    pub(super) settings: Settings,
    pub(super) name: String,
    pub(super) children: Vec<ChildSpec>,
    pub(super) is_quiet: bool,
}

impl Default for SupervisorSpec {
    fn default() -> Self {
        Self::new()
    }
}

impl SupervisorSpec {
    /// One without children.
    pub fn new() -> Self {
        let name = "supervisor".to_owned();
        Self { settings: Settings::default(), name, children: Vec::new(), is_quiet: false }
    }

    /// What it is called in lines on standard error and in the tree of its job. Names of supervisors need not differ.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Who is started again when a child has failed.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.settings.strategy = strategy;
        self
    }

    /// How many restarts are within bounds in any such time: three in five seconds unless it is set. Zero means that the first failure is
    /// one too many; a time of zero is refused as a [`BadSpec`](crate::SupervisorError::BadSpec).
    ///
    /// With one more it stops its children and ends. To its own supervisor that is an end in order: permanent, it is started again. So
    /// limits multiply: with two each, a child below two supervisors is started nine times before the upper one gives up.
    pub fn max_restarts(mut self, restarts: u32, within: Duration) -> Self {
        (self.settings.max_restarts, self.settings.within) = (restarts, within);
        self
    }

    /// Whether it ends by itself when significant children have.
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> Self {
        self.settings.auto_shutdown = when;
        self
    }

    /// Adds a child, behind those before.
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// Writes no line to standard error when a child fails.
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }
}
