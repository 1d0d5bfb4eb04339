//! A served object as its callers hold it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::Address;
use callboard_ipc::image_id;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use super::error::ServedError;
use super::mailbox::{Mailbox, Request, Waiting};
use super::reply::{Reply, returned};
use super::worker;
use crate::names::{Object, sealed::Sealed};
use crate::node::Node;
use crate::process::entry;
use crate::protocol::object::{Handle, ObjectCell};
use crate::protocol::travel;
use crate::runtime::Runtime;
use crate::scope::Departing;

/// With so much waiting for an object's process, which does not read, no further call is begun.
const MAX_UNSENT_BYTES: usize = 64 * 1024 * 1024;

/// The value to be served, as what a [`Served`] is created with.
///
/// It is a serde value if `T` is, so that a [`Host`](crate::Host) can serve it too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Serve<T> {
    object: T,
}

impl<T> Serve<T> {
    /// Serves `object`.
    pub fn new(object: T) -> Self {
        Self { object }
    }
}

/// An object of a user's type that any process of the job calls methods of.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, Serve, Served};
///
/// struct Counter(u64);
///
/// impl Counter {
///     fn increment(&mut self, by: u64) -> u64 {
///         self.0 += by;
///         self.0
///     }
/// }
///
/// let node = Node::start()?;
/// let counter: Served<Counter> = node.create("/counter", Serve::new(Counter(0)))?;
/// assert_eq!(counter.call(Counter::increment, 5)?, 5);
/// assert_eq!(counter.call(|counter, ()| counter.0, ())?, 5);
/// # Ok(())
/// # }
/// ```
///
/// The methods run in the process that created the object, one after another on a thread of their own. The handle is a plain
/// value, as that of a [`Queue`](crate::Queue). Callers must run the same build of the same program: others can open the
/// object, and their calls are refused.
///
/// Source: custom types registered with a manager of Python's `multiprocessing`.
pub struct Served<T> {
    handle: Handle<Mailbox>,
    object: PhantomData<fn(T) -> T>,
}

impl<T: 'static> Served<T> {
    /// Runs `method(object, args)` where the object is, and waits for what it returns, as long as that takes.
    ///
    /// `method` is a function or a closure that captures nothing; what it needs travels in `args`.
    ///
    /// # Errors
    ///
    /// [`ServedError`].
    pub fn call<A, R>(&self, method: fn(&mut T, A) -> R, args: A) -> Result<R, ServedError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call_until(method, &args, None)
    }

    /// As [`call`](Self::call), waiting up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); [`ServedError::TimedOut`] after `timeout`.
    pub fn call_timeout<A, R>(
        &self,
        method: fn(&mut T, A) -> R,
        args: A,
        timeout: Duration,
    ) -> Result<R, ServedError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.call_until(method, &args, Instant::now().checked_add(timeout))
    }

    /// Begins a call and goes on: what the method returns is waited for by the [`Reply`], alone or
    /// [among other things](crate::WaitAny).
    ///
    /// Many calls may be under way at once; those of one thread to one object are carried out in the order in which they were
    /// begun. `Ok` means that the call is on its way.
    ///
    /// ```
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use callboard::{Node, Serve, Served};
    /// # let node = Node::start()?;
    /// let words: Served<Vec<String>> = node.create("/words", Serve::new(Vec::new()))?;
    /// let pushed = words.begin_call(Vec::push, "one".to_owned())?;
    /// let length = words.begin_call(|words, ()| words.len(), ())?;
    /// // Other work here.
    /// pushed.wait()?;
    /// assert_eq!(length.wait()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServedError::Arguments`], [`ServedError::TooLarge`], [`ServedError::Function`]; [`ServedError::Full`] if 64 MiB wait
    /// for the object's process, which does not read. All else is told by the reply.
    ///
    /// Source: `apply_async` and `AsyncResult` of Python's `multiprocessing`.
    #[doc(alias = "apply_async")]
    #[doc(alias = "submit")]
    pub fn begin_call<A, R>(&self, method: fn(&mut T, A) -> R, args: A) -> Result<Reply<R>, ServedError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let request = request(method, &args)?;
        if self.handle.peer().is_some_and(|peer| peer.unsent_bytes() > MAX_UNSENT_BYTES) {
            return Err(ServedError::Full);
        }
        let asked = self.handle.begin(request.sent());
        // This thread may not come to wait for long.
        if let Some(peer) = self.handle.peer() {
            peer.flush_by_need(&self.handle.runtime);
        }
        Ok(Reply::new(&self.handle, asked))
    }

    fn call_until<A, R>(
        &self,
        method: fn(&mut T, A) -> R,
        args: &A,
        deadline: Option<Instant>,
    ) -> Result<R, ServedError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let answer = self.handle.ask_until(request(method, args)?.sent(), deadline);
        returned(&self.handle.runtime, answer)
    }
}

/// A call that is not on its way yet: what moves in it has not moved.
struct Prepared {
    request: Request,
    departing: Departing,
}

impl Prepared {
    /// Whatever comes of it, the call is sent now with what moves in it.
    fn sent(self) -> Request {
        self.departing.depart();
        self.request
    }
}

fn request<T, A, R>(method: fn(&mut T, A) -> R, args: &A) -> Result<Prepared, ServedError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    let (call, departing) = entry::prepare_method(method, args)?;
    let request = Request { image: ByteBuf::from(image_id().as_bytes().to_vec()), call };
    Ok(Prepared { request, departing })
}

impl<T> Served<T> {
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.handle.runtime
    }
}

impl<T> Sealed for Served<T> {}

impl<T: Send + 'static> Object for Served<T> {
    type Options = Serve<T>;

    fn build(node: &Node, Serve { object }: Serve<T>) -> Self {
        let runtime = node.runtime();
        let waiting = Arc::new(Waiting::default());
        let make = |cell: &Weak<ObjectCell<Mailbox>>| {
            let (takes, runtime, cell) = (Arc::clone(&waiting), Arc::downgrade(runtime), Weak::clone(cell));
            let begin = move || {
                let thread = std::thread::Builder::new().name("served".to_owned());
                thread.spawn(move || worker::serve(object, &takes, &runtime, &cell)).map(drop)
            };
            Mailbox::new(Arc::clone(&waiting), Box::new(begin))
        };
        Self { handle: Handle::create_cyclic(runtime, make), object: PhantomData }
    }

    fn at(node: &Node, address: Address) -> Self {
        Self { handle: Handle::at(node.runtime(), address), object: PhantomData }
    }

    fn address(&self) -> Address {
        self.handle.address
    }

    fn type_name() -> String {
        format!("Served<{}>", std::any::type_name::<T>())
    }

    fn discard(self, _: &Node) {
        self.handle.discard();
    }
}

impl<T> Clone for Served<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), object: PhantomData }
    }
}

impl<T> fmt::Debug for Served<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Served<{}>({})", std::any::type_name::<T>(), self.handle.address)
    }
}

impl<T> Serialize for Served<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize::<Self, S>(self.handle.address, serializer)
    }
}

impl<'de, T> Deserialize<'de> for Served<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runtime, address) = travel::deserialize::<Self, D>(deserializer)?;
        Ok(Self { handle: Handle::at(&runtime, address), object: PhantomData })
    }
}
