//! A group's owner, told anything by anybody: joins and leaves of whoever it may be, mirrors that ask again and have no room, ends that are
//! told early, late and of nobody, and timers that nobody asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use callboard_core::{Address, Slot};

use super::owner::{Owner, World};
use super::roll::{News, Roll};
use crate::fuzzing::{Draw, node};

const MIRRORS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Member(Address),
    Mirror(usize),
}

/// What the owner has done to others.
#[derive(Default)]
struct Others {
    last_watch: u64,
    /// Those that are not over.
    watches: BTreeMap<u64, Whom>,
    /// Which mirrors have no room.
    are_full: [bool; MIRRORS],
    copies: [Roll<Address>; MIRRORS],
    is_armed: bool,
}

impl Others {
    fn watch(&mut self, whom: Whom) -> u64 {
        assert!(!self.watches.values().any(|other| *other == whom), "{whom:?} is watched twice");
        self.last_watch += 1;
        self.watches.insert(self.last_watch, whom);
        self.last_watch
    }
}

impl World<Address, usize, u64> for Others {
    fn watch_member(&mut self, member: &Address) -> u64 {
        self.watch(Whom::Member(*member))
    }

    fn watch_mirror(&mut self, mirror: &usize) -> u64 {
        self.watch(Whom::Mirror(*mirror))
    }

    fn unwatch(&mut self, watch: u64) {
        assert!(self.watches.remove(&watch).is_some(), "a watch that is over");
    }

    fn tell(&mut self, mirror: &usize, news: News<Address>) -> bool {
        if !self.are_full[*mirror] {
            self.copies[*mirror].hears(news);
        }
        !self.are_full[*mirror]
    }

    fn again_in(&mut self, pause: Duration) {
        assert!(!pause.is_zero());
        self.is_armed = true;
    }
}

struct Play {
    owner: Owner<Address, usize, u64>,
    others: Others,
    /// Who should be a member, in order.
    expected: Vec<Address>,
}

impl Play {
    fn step(&mut self, draw: &mut Draw<'_>) {
        let Self { owner, others, expected } = self;
        match draw.below(16) {
            0..5 => {
                let member = somebody(draw);
                let before = owner.version();
                let is_new = !expected.contains(&member);
                if is_new {
                    expected.push(member);
                }
                assert_eq!(owner.join(member, others), before + u64::from(is_new));
            }
            5 | 6 => {
                let member = somebody(draw);
                expected.retain(|other| *other != member);
                assert_eq!(owner.leave(member, others), owner.version());
            }
            7 | 8 => owner.follow(draw.below(MIRRORS), others),
            9 => owner.again(others),
            10 if std::mem::take(&mut others.is_armed) => owner.again(others),
            11 => {
                let mirror = draw.below(MIRRORS);
                others.are_full[mirror] ^= true;
            }
            12 => owner.down(draw.number() | 1 << 32, draw.flag(), others),
            _ => {
                let at = draw.below(8);
                let is_in_place = draw.flag();
                if let Some((&watch, &whom)) = others.watches.iter().nth(at) {
                    others.watches.remove(&watch);
                    match whom {
                        Whom::Member(member) if !is_in_place => expected.retain(|other| *other != member),
                        Whom::Member(_) => {}
                        Whom::Mirror(mirror) => others.copies[mirror] = Roll::default(),
                    }
                    owner.down(watch, is_in_place, others);
                }
            }
        }
    }

    fn check(&self) {
        let Self { owner, others, expected } = self;
        assert!(owner.members().eq(expected.iter().copied()), "who is a member, in order");
        let mut watches: Vec<u64> = owner.watches().collect();
        watches.sort_unstable();
        assert!(watches.iter().eq(others.watches.keys()), "what is watched, and what should be");
        for (mirror, is_behind) in owner.mirrors() {
            let copy = &others.copies[*mirror];
            let is_current = copy.version == Some(owner.version());
            assert!(is_behind || is_current && copy.members == *expected, "a mirror that is not up to date");
            assert!(!is_behind || owner.tries_again(), "a mirror that is left behind");
        }
        assert!(!owner.tries_again() || others.is_armed, "a timer that is not there");
    }
}

fn somebody(draw: &mut Draw<'_>) -> Address {
    let number = draw.below(8);
    Address { node: node(number / 3), slot: Slot { index: number as u32, generation: 1 } }
}

pub(crate) fn fuzz(mut draw: Draw<'_>) {
    let mut play = Play { owner: Owner::default(), others: Others::default(), expected: Vec::new() };
    while !draw.is_over() {
        play.step(&mut draw);
        play.check();
    }
    let Play { owner, others, .. } = &mut play;
    while let Some((watch, _)) = others.watches.pop_first() {
        owner.down(watch, false, others);
    }
    assert!(owner.members().next().is_none() && owner.mirrors().next().is_none(), "the dead are kept");
}
