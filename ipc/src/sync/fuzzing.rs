//! The words of locks, of which another process has written any. Whoever tries is refused or comes in; nobody waits here.

use std::sync::Arc;
use std::time::Instant;

use super::{
    Block, Caller, Cut, Holder, LockWord, Member, RobustCondition, RobustLock, RobustRwLock, RobustSemaphore,
    RobustValue,
};
use crate::fuzzing::Draw;
use crate::region::Region;

const LEN: usize = 4096;
const MEMBERS: usize = 4;
/// The process whose locks these are.
const OWNER: Holder = Holder { member: 1, thread: 1 };

thread_local! {
    static MEMORY: Arc<Region> = Arc::new(Region::create(LEN).expect("memory is left").0);
}

/// Plays with one of the locks as the bytes say.
pub(crate) fn run(input: &[u8]) {
    let region = MEMORY.with(Arc::clone);
    region.write(0, &[0; LEN]);
    let mut draw = Draw::new(input);
    let block = |bytes: usize| Block::new(Arc::clone(&region), 0, bytes).expect("it fits");
    let all = || block(LEN);
    match draw.below(5) {
        0 => {
            let lock = RobustLock::new(all()).expect("it fits");
            play(&region, &mut draw, |me, draw| word(&lock, me, draw));
        }
        1 => {
            let len = [8, 24, 1000][draw.below(3)];
            let value = RobustValue::new(all(), len).expect("it fits");
            play(&region, &mut draw, |me, draw| part_of_value(&value, len, me, draw));
        }
        2 => {
            let bytes = RobustRwLock::bytes(MEMBERS).expect("it can be counted");
            let lock = RobustRwLock::new(block(bytes)).expect("it fits");
            (0..MEMBERS).for_each(|entry| _ = lock.join(member(entry)));
            play(&region, &mut draw, |me, draw| part_of_rw_lock(&lock, me, draw));
        }
        3 => {
            let bytes = RobustSemaphore::bytes(MEMBERS).expect("it can be counted");
            let semaphore = RobustSemaphore::new(block(bytes)).expect("it fits");
            semaphore.begin(draw.byte().into(), 300);
            (0..MEMBERS).for_each(|entry| _ = semaphore.join(member(entry)));
            play(&region, &mut draw, |me, draw| part_of_semaphore(&semaphore, me, draw));
        }
        _ => {
            let condition = RobustCondition::new(all(), MEMBERS).expect("it fits");
            play(&region, &mut draw, |me, draw| part_of_condition(&condition, me, draw));
        }
    }
}

fn member(entry: usize) -> Member {
    Member { number: entry as u32 + 2, entry }
}

/// Does one thing after the other, and lets the other side write between them.
fn play(region: &Region, draw: &mut Draw<'_>, mut step: impl FnMut(Caller<'_>, &mut Draw<'_>)) {
    let cut = Cut::new();
    while !draw.is_over() {
        if draw.below(3) == 0 {
            region.store_word(draw.below(64) * 8, draw.number());
        } else {
            let me = Caller { member: member(draw.below(MEMBERS)), thread: 1, cut: &cut };
            step(me, draw);
        }
    }
}

fn word(lock: &LockWord, me: Caller<'_>, draw: &mut Draw<'_>) {
    match draw.below(8) {
        0 => _ = lock.try_take(me.holder()),
        1 => _ = lock.take_now(me),
        2 => _ = lock.take(me.holder(), me.cut, Some(Instant::now())),
        3 => _ = lock.give_back(me.holder()),
        4 => _ = lock.force_back(),
        5 => _ = lock.recover(me.member.number),
        6 => lock.nudge(),
        _ => _ = lock.holder(),
    }
}

fn part_of_value(value: &RobustValue, len: usize, me: Caller<'_>, draw: &mut Draw<'_>) {
    let mut bytes = vec![0; len];
    match draw.below(6) {
        0 => _ = value.read(&mut bytes),
        1 => value.write(&bytes),
        2 if value.is_word() => _ = value.swap_word(draw.number(), draw.number()),
        3 if value.is_word() => _ = value.add_to_word(draw.number()),
        _ => word(value.lock(), me, draw),
    }
}

fn part_of_rw_lock(lock: &RobustRwLock, me: Caller<'_>, draw: &mut Draw<'_>) {
    match draw.below(10) {
        0 => _ = lock.try_write(me),
        1 => _ = lock.try_write_in_turn(me),
        2 => lock.abandon_again(me),
        3 => _ = lock.try_read(me),
        4 => lock.give_back_read(me),
        5 => lock.give_back_write(me),
        6 => _ = (lock.writer(), lock.readers()),
        7 => lock.nudge(),
        8 => _ = lock.join(me.member),
        _ => _ = lock.recover(me.member, OWNER),
    }
}

fn part_of_semaphore(semaphore: &RobustSemaphore, me: Caller<'_>, draw: &mut Draw<'_>) {
    let count = draw.number() as u32;
    match draw.below(8) {
        0 => _ = semaphore.try_take(me, count),
        1 => semaphore.give_back(me, count),
        2 => semaphore.use_up(me, count),
        3 => _ = semaphore.make(me, count),
        4 => _ = (semaphore.free(), semaphore.holders()),
        5 => semaphore.nudge(),
        6 => _ = semaphore.join(me.member),
        _ => semaphore.recover(me.member),
    }
}

fn part_of_condition(condition: &RobustCondition, me: Caller<'_>, draw: &mut Draw<'_>) {
    match draw.below(6) {
        0 => {
            if let Ok(notified) = condition.notify(me, draw.byte().into()) {
                condition.wake(&notified);
            }
        }
        1 => _ = condition.waiters(),
        2 => condition.nudge(),
        3 => condition.recover(me.member.number),
        _ => word(condition.lock(), me, draw),
    }
}
