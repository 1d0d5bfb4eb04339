//! Actors whose messages are written from their methods: replies, errors and deadlines, in one process and between two.

use std::num::ParseIntError;
use std::time::Duration;

use callboard::{
    Actor, ActorRef, AskError, CastError, Context, Event, EventOptions, Exit, Failure, Node, ReplyTo,
};
use callboard_tests::{LeakCheck, PATIENCE};

callboard::test_door!();

/// So long that what is not to happen would, if it could.
const A_MOMENT: Duration = Duration::from_millis(20);

struct Tally {
    total: u64,
    waiting: Vec<(u64, ReplyTo<u64>)>,
    at_end: Option<Event>,
}

#[callboard::messages]
impl Tally {
    fn start(context: &mut Context<TallyMessage>, total: u64) -> Result<Self, Failure> {
        let _: &ActorRef<TallyMessage> = context.me();
        Ok(Self { total, waiting: Vec::new(), at_end: None })
    }

    fn add(&mut self, by: u64) {
        self.total += by;
        self.answer();
    }

    fn get(&self) -> u64 {
        self.total
    }

    /// Adds, and answers with both totals.
    fn bump(
        &mut self,
        context: &Context<TallyMessage>,
        by: u64,
        r#type: Option<String>,
    ) -> (u64, u64, String) {
        let before = self.total;
        self.total += by;
        (before, self.total, r#type.unwrap_or_else(|| context.me().address().to_string()))
    }

    fn divide(&mut self, by: u64) -> Result<u64, String> {
        self.total = self.total.checked_div(by).ok_or("nothing is divided by zero")?;
        Ok(self.total)
    }

    fn fails(&self, is_a_failure: bool) -> Result<(), Failure> {
        if is_a_failure { Err(Failure::new("as it was asked")) } else { Ok(()) }
    }

    #[cast]
    fn add_text(&mut self, _context: &mut Context<TallyMessage>, text: String) -> Result<(), ParseIntError> {
        self.total += text.parse::<u64>()?;
        Ok(())
    }

    fn panics(&mut self) {
        panic!("as it was told");
    }

    fn wait_for(&mut self, least: u64, reply: ReplyTo<u64>) {
        self.waiting.push((least, reply));
        self.answer();
    }

    fn answer_text(&mut self, reply: ReplyTo<u64>, text: String) -> Result<(), Failure> {
        Ok(reply.send(text.parse()?)?)
    }

    fn forget_all(&mut self) {
        self.waiting.clear();
    }

    fn mirror(
        &self,
        #[serde(with = "serde_bytes")] bytes: Vec<u8>,
        of: ActorRef<TallyMessage>,
    ) -> (usize, ActorRef<TallyMessage>) {
        (bytes.len(), of)
    }

    fn set_at_end(&mut self, event: Event) {
        self.at_end = Some(event);
    }

    /// Says that it is here, and waits.
    fn hold(&self, here: Event, until: Event) {
        here.set().unwrap();
        until.wait().unwrap();
    }

    #[cfg(any())]
    fn never(&self, of: NoSuchType) {}

    fn stopped(&mut self, _: &mut Context<TallyMessage>, _: &Exit) {
        if let Some(event) = &self.at_end {
            event.set().unwrap();
        }
    }
}

/// What is no message.
impl Tally {
    fn answer(&mut self) {
        let total = self.total;
        for (_, reply) in self.waiting.extract_if(.., |(least, _)| *least <= total) {
            reply.send(total).unwrap();
        }
    }
}

/// One on this node, and one in a process of its own.
fn both(node: &Node) -> [ActorRef<TallyMessage>; 2] {
    let there = node.actor::<Tally>(40).name("/there").own_process().start().unwrap();
    [node.actor::<Tally>(40).name("/here").start().unwrap(), there]
}

/// > Messages written for an actor's methods are those of the plain form: in one process and between two, and both may be mixed.
#[test]
fn messages_written_for_methods_are_those_of_the_plain_form() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        for tally in both(&node) {
            tally.add(1).unwrap();
            tally.cast(TallyMessage::Add { by: 1 }).unwrap();
            assert_eq!(tally.get(), Ok(42));
            assert_eq!(tally.call(|reply| TallyMessage::Get { reply }), Ok(42));
            assert_eq!(tally.bump(8, Some("a word".to_owned())), Ok((42, 50, "a word".to_owned())));
            assert_eq!(tally.bump_timeout(0, None, PATIENCE), Ok((50, 50, tally.address().to_string())));
            let under_way: Vec<_> = (0..9)
                .map(|_| tally.begin_call(|reply| TallyMessage::Divide { by: 1, reply }).unwrap())
                .collect();
            under_way.into_iter().for_each(|answer| assert_eq!(answer.wait(), Ok(Ok(50))));
            let (length, same) = tally.mirror(vec![7; 5000], tally.clone()).unwrap();
            assert_eq!((length, &same, same.get()), (5000, &tally, Ok(50)));
            let ended: Event = node.anonymous(EventOptions::new());
            tally.set_at_end(ended.clone()).unwrap();
            tally.drain();
            assert!(ended.wait_timeout(PATIENCE).unwrap(), "its `stopped` has run");
            assert!(matches!(tally.get(), Err(AskError::Gone | AskError::Disconnected)));
        }
    }
    check.check();
}

/// > An error that such a method answers is the answer, and the actor lives on; one of a method that answers nothing ends the actor with `Failed`.
#[test]
fn an_error_is_an_answer_or_ends_the_actor() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        for tally in both(&node) {
            assert_eq!(tally.divide(0), Ok(Err("nothing is divided by zero".to_owned())));
            assert_eq!(tally.fails(true), Ok(Err(Failure::new("as it was asked"))));
            assert_eq!((tally.fails(false), tally.divide(2)), (Ok(Ok(())), Ok(Ok(20))));
            tally.add_text("22".to_owned()).unwrap();
            assert_eq!(tally.get(), Ok(42));
            let monitor = tally.monitor();
            tally.add_text("many".to_owned()).unwrap();
            let exit = monitor.wait_timeout(PATIENCE).unwrap().exit;
            assert_eq!(exit, Exit::Failed(Failure::new("invalid digit found in string")));
        }
        // The names are free again.
        for tally in both(&node) {
            let monitor = tally.monitor();
            assert_eq!(tally.answer_text("7".to_owned()), Ok(7));
            let asked = tally.answer_text_timeout("seven".to_owned(), PATIENCE);
            assert!(matches!(asked, Err(AskError::Gone | AskError::Disconnected)), "{asked:?}");
            let exit = monitor.wait_timeout(PATIENCE).unwrap().exit;
            assert_eq!(exit, Exit::Failed(Failure::new("invalid digit found in string")));
        }
        for tally in both(&node) {
            let monitor = tally.monitor();
            tally.panics().unwrap();
            let exit = monitor.wait_timeout(PATIENCE).unwrap().exit;
            assert_eq!(exit, Exit::Panicked("as it was told".to_owned()));
        }
    }
    check.check();
}

/// > A method that takes a right to reply is answered whenever that is used, and told `Gone` when that is dropped.
#[test]
fn a_method_with_a_right_to_reply_is_answered_later() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        for tally in both(&node) {
            assert_eq!(tally.wait_for(40), Ok(40));
            let ask = |least| tally.begin_call(|reply| TallyMessage::WaitFor { least, reply }).unwrap();
            let (first, second, never) = (ask(42), ask(41), ask(1000));
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| tally.wait_for_timeout(43, PATIENCE));
                (0..3).for_each(|_| tally.add(1).unwrap());
                assert_eq!((second.wait(), first.wait(), waits.join().unwrap()), (Ok(41), Ok(42), Ok(43)));
            });
            tally.forget_all().unwrap();
            assert_eq!(never.wait(), Err(AskError::Gone));
        }
    }
    check.check();
}

/// > A handle's method with a deadline is over by then: a call is not handled any more, a cast hands its message back.
#[test]
fn a_method_with_a_deadline_is_over_by_then() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let there = node.actor::<Tally>(40).name("/there").capacity(1).own_process().start().unwrap();
        for tally in [node.actor::<Tally>(40).capacity(1).start().unwrap(), there] {
            let event = || -> Event { node.anonymous(EventOptions::new()) };
            let (here, until) = (event(), event());
            tally.hold(here.clone(), until.clone()).unwrap();
            assert!(here.wait_timeout(PATIENCE).unwrap());
            assert_eq!(tally.bump_timeout(5, None, A_MOMENT), Err(AskError::TimedOut));
            let added = (0..).take_while(|_| tally.add_timeout(1, Duration::ZERO).is_ok()).count() as u64;
            match tally.add_timeout(100, A_MOMENT) {
                Err(CastError::Full(TallyMessage::Add { by })) => assert_eq!(by, 100),
                other => panic!("{other:?}"),
            }
            until.set().unwrap();
            assert_eq!(tally.get_timeout(PATIENCE), Ok(40 + added), "and not the five of the call");
        }
    }
    check.check();
}

/// Written by hand around what is generated, in a module of its own.
mod guarded {
    use super::{Actor, Context, Failure};

    #[derive(Default)]
    pub(super) struct Guarded {
        handled: u64,
    }

    #[callboard::messages(pub(super))]
    impl Guarded {
        fn note(&mut self, number: u64) {
            assert!(number < 100, "larger ones are not let through");
        }

        fn handled(&self) -> u64 {
            self.handled
        }
    }

    impl Actor for Guarded {
        type Message = GuardedMessage;
        type Args = ();

        fn start(_: &mut Context<GuardedMessage>, (): ()) -> Result<Self, Failure> {
            Ok(Self::default())
        }

        fn handle(
            &mut self,
            context: &mut Context<GuardedMessage>,
            message: GuardedMessage,
        ) -> Result<(), Failure> {
            if matches!(message, GuardedMessage::Note { number: 100.. }) {
                return Ok(());
            }
            self.handled += 1;
            self.dispatch(context, message)
        }
    }
}

/// > An `impl Actor` written by hand may have its own code around what is written for the methods.
#[test]
fn an_actor_written_by_hand_dispatches_to_methods() {
    use self::guarded::{Guarded, GuardedHandle};
    let node = Node::start().unwrap();
    let here = node.actor::<Guarded>(()).start().unwrap();
    let there = node.actor::<Guarded>(()).name("/guarded").own_process().start().unwrap();
    for guarded in [here, there] {
        [1, 200, 3].into_iter().for_each(|number| guarded.note(number).unwrap());
        assert_eq!(guarded.handled(), Ok(3));
    }
}
