//! Ends of pipes in arguments, in what is returned, and in objects that hold one value at a place.

use callboard::{
    Dict, DictError, DictOptions, Manager, Node, PipeEnd, PipeReceiver, PipeSender, RecvError, SendError,
    Serve, Served, ServedError,
};
use callboard_tests::{LeakCheck, PATIENCE, eventually, rounds, send_signal};

callboard::test_door!();

/// > What a function of a child returns may have ends of pipes in it; a join that nobody makes closes them.
#[test]
fn a_child_returns_ends_of_pipes() {
    fn opens(node: &Node, greeting: String) -> (PipeReceiver<String>, Vec<PipeSender<u64>>) {
        let (sender, receiver) = node.one_way_pipe().unwrap();
        sender.send(greeting).unwrap();
        let senders = (0..5).map(|_| node.one_way_pipe().unwrap().0).collect();
        (receiver, senders)
    }
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let child = node.spawn("opens", opens, "hello".to_owned()).unwrap();
        let (receiver, senders) = child.join().unwrap();
        assert_eq!(receiver.recv().unwrap(), "hello");
        assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
        assert!(senders.iter().all(|sender| matches!(sender.send(1), Err(SendError::Closed(1)))));
        assert!(child.join().is_err(), "they are there once");

        fn hands_back(_: &Node, end: PipeReceiver<u64>) -> PipeReceiver<u64> {
            end
        }
        let (sender, receiver) = node.one_way_pipe().unwrap();
        let child = node.spawn("hands back", hands_back, receiver).unwrap();
        sender.send(7).unwrap();
        assert_eq!(child.join().unwrap().recv().unwrap(), 7);
        let (sender, receiver) = node.one_way_pipe().unwrap();
        drop(node.spawn("hands back", hands_back, receiver).unwrap());
        eventually("it is closed", || sender.send(1).is_err());
    }
    check.check();
}

/// Tells all who have subscribed.
#[derive(Default)]
struct News {
    subscribers: Vec<PipeSender<u64>>,
}

impl News {
    fn subscribe(&mut self, end: PipeSender<u64>) -> usize {
        self.subscribers.push(end);
        self.subscribers.len()
    }

    fn tell(&mut self, n: u64) {
        self.subscribers.retain(|subscriber| subscriber.send(n).is_ok());
    }

    fn leave(&mut self, (): ()) -> Vec<PipeSender<u64>> {
        std::mem::take(&mut self.subscribers)
    }
}

fn serves(node: &Node, name: String) {
    let _news: Served<News> = node.create(&name, Serve::new(News::default())).unwrap();
    node.wait_stopping(PATIENCE * 10);
}

/// > Arguments and results of methods, and of what a manager runs, may have ends of pipes in them.
#[test]
fn methods_take_and_return_ends_of_pipes() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let here: Served<News> = node.anonymous(Serve::new(News::default()));
        let server = node.process("serves").stderr_null().spawn(serves, "/news".to_owned()).unwrap();
        let there: Served<News> = node.open_timeout("/news", PATIENCE).unwrap();
        for news in [&here, &there] {
            let receivers: Vec<_> = (0..3)
                .map(|n| {
                    let (sender, receiver) = node.one_way_pipe().unwrap();
                    assert_eq!(news.call(News::subscribe, sender).unwrap(), n + 1);
                    receiver
                })
                .collect();
            news.call(News::tell, 5).unwrap();
            assert!(receivers.iter().all(|receiver| receiver.recv().unwrap() == 5));
            let senders = news.call(News::leave, ()).unwrap();
            for (sender, receiver) in senders.into_iter().zip(receivers) {
                sender.send(6).unwrap();
                drop(sender);
                assert_eq!(receiver.recv().unwrap(), 6);
                assert!(matches!(receiver.recv(), Err(RecvError::Closed)));
            }
        }
        // Whoever serves them is killed: they are closed.
        let (sender, receiver) = node.one_way_pipe().unwrap();
        there.call(News::subscribe, sender).unwrap();
        send_signal(server.pid(), 9);
        assert!(matches!(receiver.recv_timeout(PATIENCE), Err(RecvError::Closed)));
        let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
        assert!(matches!(there.call(News::subscribe, sender), Err(ServedError::Disconnected)));
        assert!(matches!(receiver.recv_timeout(PATIENCE), Err(RecvError::Closed)));
        assert!(server.join().is_err());

        let manager = Manager::start(&node, "/manager").unwrap();
        let echo = |_: &Node, end: PipeEnd<u64, u64>| end;
        let (ours, theirs) = node.pipe::<u64, u64>().unwrap();
        let theirs = manager.host().run(echo, theirs).unwrap();
        theirs.send(3).unwrap();
        assert_eq!(ours.recv().unwrap(), 3);
    }
    check.check();
}

/// > Arguments and results of methods, and of what a manager runs, may have ends of pipes in them.
#[test]
fn a_caller_killed_in_the_middle_leaves_no_end_open() {
    fn calls(node: &Node, (news, end): (Served<News>, PipeReceiver<u64>)) {
        let mut sender = None;
        loop {
            let (first, _second) = node.one_way_pipe::<u64>().unwrap();
            news.call(News::subscribe, sender.take().unwrap_or(first)).unwrap();
            sender = news.call(News::leave, ()).unwrap().pop();
            if end.try_recv().is_ok() {
                return;
            }
        }
    }
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let news: Served<News> = node.anonymous(Serve::new(News::default()));
        let mut random = callboard_tests::Random::new();
        for _ in 0..rounds(30) {
            let (_go_on, end) = node.one_way_pipe().unwrap();
            let child = node.process("calls").stderr_null().spawn(calls, (news.clone(), end)).unwrap();
            callboard_tests::pause(random.time(std::time::Duration::from_millis(4)));
            send_signal(child.pid(), 9);
            assert!(child.join().is_err());
        }
        news.call(News::leave, ()).unwrap();
    }
    check.check();
}

type Ends = Dict<String, PipeSender<u64>>;

fn hosts(node: &Node, name: String) {
    let _ends: Ends = node.create(&name, DictOptions::new()).unwrap();
    node.wait_stopping(PATIENCE * 10);
}

/// > An end of a pipe in a dict is the dict's: moved on by `insert`, `remove` and `pop`, to whatever process, it works there.
#[test]
fn an_end_in_a_dict_is_moved_on_and_works_there() {
    fn takes(_: &Node, ends: Ends) -> u64 {
        let end = ends.remove("shared").unwrap().unwrap();
        end.send(5).unwrap();
        let before = ends.insert("other".to_owned(), end).unwrap();
        before.unwrap().send(6).unwrap();
        ends.pop().unwrap().map_or(0, |(key, end)| {
            end.send(7).unwrap();
            key.len() as u64
        })
    }
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let host = node.process("hosts").stderr_null().spawn(hosts, "/ends".to_owned()).unwrap();
        let there: Ends = node.open_timeout("/ends", PATIENCE).unwrap();
        let here: Ends = node.anonymous(DictOptions::new());
        for ends in [&here, &there] {
            let pipes = || node.one_way_pipe::<u64>().unwrap();
            let (other, others) = pipes();
            ends.insert("other".to_owned(), other).unwrap();
            let (sender, receiver) = pipes();
            sender.send(4).unwrap();
            assert!(ends.insert("shared".to_owned(), sender).unwrap().is_none());
            for refused in [ends.get("shared").map(drop), ends.values().map(drop), ends.snapshot().map(drop)]
            {
                assert!(
                    matches!(&refused, Err(DictError::Decode(why)) if why.to_string().contains("copied"))
                );
            }
            let (sender, _receiver) = pipes();
            assert!(matches!(ends.get_or_insert("new".to_owned(), sender), Err(DictError::Encode(_))));
            let child = node.spawn("takes", takes, ends.clone()).unwrap();
            assert_eq!(child.join().unwrap(), 5);
            assert_eq!((0..3).map(|_| receiver.recv().unwrap()).collect::<Vec<_>>(), [4, 5, 7]);
            assert_eq!(others.recv().unwrap(), 6);
            for closed in [receiver, others] {
                assert!(matches!(closed.recv(), Err(RecvError::Closed)));
            }
            assert!(ends.is_empty().unwrap());
        }
        host.terminate(PATIENCE);
        host.join().unwrap();
    }
    check.check();
}

/// > An end in a dict that is cleared, replaced, or whose time is over is closed, and so it is when the dict's process is killed.
#[test]
fn an_end_that_a_dict_drops_is_closed() {
    let check = LeakCheck::new();
    {
        let node = Node::start().unwrap();
        let host = node.process("hosts").stderr_null().spawn(hosts, "/ends".to_owned()).unwrap();
        let ends: Ends = node.open_timeout("/ends", PATIENCE).unwrap();
        let is_closed =
            |end: &PipeReceiver<u64>| matches!(end.recv_timeout(PATIENCE), Err(RecvError::Closed));
        let put = |key: &str| {
            let (sender, receiver) = node.one_way_pipe::<u64>().unwrap();
            (ends.insert(key.to_owned(), sender).unwrap(), receiver)
        };
        let (_, first) = put("a");
        ends.clear().unwrap();
        assert!(is_closed(&first));
        let (_, first) = put("a");
        drop(put("a"));
        assert!(is_closed(&first));
        let (sender, timed) = node.one_way_pipe::<u64>().unwrap();
        ends.insert_for("b".to_owned(), sender, std::time::Duration::from_millis(5)).unwrap();
        assert!(is_closed(&timed));
        let (_, last) = put("c");
        send_signal(host.pid(), 9);
        assert!(is_closed(&last));
        assert!(host.join().is_err());
    }
    check.check();
}
