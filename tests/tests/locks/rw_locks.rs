//! Locks for one writer or many readers.

use super::*;

/// > One writes or many read, and neither keeps the other out for ever.
#[test]
fn one_writes_or_many_read_among_processes() {
    fn goes(_: &Node, (lock, inside, writes): (RwLock, Counter, bool)) {
        for _ in 0..300 {
            if writes {
                let _guard = lock.write().unwrap();
                assert_eq!(inside.add(1_000).unwrap(), 1_000);
                inside.sub(1_000).unwrap();
            } else {
                let _guard = lock.read().unwrap();
                assert!(inside.add(1).unwrap() < 1_000);
                inside.sub(1).unwrap();
            }
        }
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let lock: RwLock = node.anonymous(RwLockOptions::new());
    let inside: Counter = node.anonymous(CounterOptions::new());
    let children: Vec<_> = [true, true, false, false, false]
        .map(|writes| node.spawn("goes", goes, (lock.clone(), inside.clone(), writes)).unwrap())
        .into();
    for child in children {
        child.join().unwrap();
    }
    assert_eq!((inside.get(), lock.writer(), lock.readers()), (Ok(0), Ok(None), Ok(vec![])));
}

/// > A killed writer is told of until another has written; a killed reader leaves nothing behind.
#[test]
fn killed_readers_and_writers_leave_the_lock_to_others() {
    fn holds(_: &Node, (lock, told, writes): (RwLock, Queue<u32>, bool)) {
        let _guards =
            if writes { (None, Some(lock.write().unwrap())) } else { (Some(lock.read().unwrap()), None) };
        stay(&told);
    }
    let _leaks = LeakCheck::new();
    let node = Node::start().unwrap();
    let lock: RwLock = node.anonymous(RwLockOptions::new());
    for _ in 0..rounds(4) {
        for writes in [false, true] {
            let told: Queue<u32> = node.anonymous(QueueOptions::new());
            let child = node.spawn("holds", holds, (lock.clone(), told.clone(), writes)).unwrap();
            let pid = told.get().unwrap();
            if writes {
                assert_eq!(lock.writer().unwrap().map(|writer| writer.pid), Some(pid));
            } else {
                assert_eq!(
                    lock.readers().unwrap().first().map(|(reader, count)| (reader.pid, *count)),
                    Some((pid, 1))
                );
            }
            std::thread::scope(|scope| {
                let waits =
                    scope.spawn(|| lock.write_timeout(WITHIN).unwrap().map(|guard| guard.was_abandoned()));
                kill(&child);
                assert_eq!(waits.join().unwrap(), Some(writes));
            });
            assert!(child.join().is_err());
            assert!(!lock.read().unwrap().was_abandoned());
        }
    }
}
