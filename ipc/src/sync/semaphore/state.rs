//! The one word of a semaphore, and what each verb makes of it. The rules are in `semaphore.rs`.

use std::fmt;

const COUNT_BITS: u32 = 20;
const NUMBER_BITS: u32 = 11;
const HELD_AT: u32 = COUNT_BITS;
const TENANT_AT: u32 = HELD_AT + COUNT_BITS;
const NEXT_AT: u32 = TENANT_AT + NUMBER_BITS;
const WAITS: u64 = 1 << (NEXT_AT + NUMBER_BITS);
const WANTS_MANY: u64 = WAITS << 1;
const FLAGS: u64 = WAITS | WANTS_MANY;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;

/// The most permits there can be, free and held together.
pub(super) const MOST_PERMITS: u32 = COUNT as u32;
/// The most processes: one number is nobody's, and one the owner's.
pub(super) const MOST_MEMBERS: usize = NUMBER as usize - 1;

/// Who a process is in the word: one more than the number of its entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(u64);

impl Number {
    pub(super) const NOBODY: Self = Self(0);
    /// Who takes back what the dead held. Never the tenant.
    pub(super) const OWNER: Self = Self(NUMBER);

    /// None for an entry that no semaphore has.
    #[inline]
    pub(super) fn of_entry(entry: usize) -> Option<Self> {
        (entry < MOST_MEMBERS).then_some(Self(entry as u64 + 1))
    }

    /// None for nobody.
    pub(super) fn entry(self) -> Option<usize> {
        self.0.checked_sub(1).map(|entry| entry as usize)
    }
}

/// How many permits are free and how many the tenant holds; who the tenant is and who is to follow it; and whether anybody may be waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

impl State {
    /// That nobody is to follow, and nobody waits.
    pub(super) fn new(free: u32, held: u32, tenant: Number) -> Self {
        let [free, held] = [free, held].map(|count| u64::from(count) & COUNT);
        Self(free | held << HELD_AT | tenant.0 << TENANT_AT)
    }

    #[inline]
    pub(super) fn free(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    /// How many the tenant holds.
    #[inline]
    pub(super) fn held(self) -> u32 {
        (self.0 >> HELD_AT & COUNT) as u32
    }

    pub(super) fn tenant(self) -> Number {
        Number(self.0 >> TENANT_AT & NUMBER)
    }

    pub(super) fn next(self) -> Number {
        Number(self.0 >> NEXT_AT & NUMBER)
    }

    pub(super) fn with_next(self, next: Number) -> Self {
        Self(self.0 & !(NUMBER << NEXT_AT) | next.0 << NEXT_AT)
    }

    /// Whether `me` is the tenant and nobody is to follow.
    #[inline]
    pub(super) fn is_let_to(self, me: Number) -> bool {
        self.0 & !FLAGS & u64::MAX << TENANT_AT == me.0 << TENANT_AT
    }

    /// Whether anybody may be waiting.
    #[inline]
    pub(super) fn has_waiters(self) -> bool {
        self.0 & FLAGS != 0
    }

    /// Whether anybody may be waiting for several permits.
    pub(super) fn wants_many(self) -> bool {
        self.0 & WANTS_MANY != 0
    }

    /// With one more that waits for so many.
    pub(super) fn with_waiter(self, count: u32) -> Self {
        Self(self.0 | if count > 1 { FLAGS } else { WAITS })
    }

    pub(super) fn without_waiters(self) -> Self {
        Self(self.0 & !FLAGS)
    }

    /// With the waiters of `other`.
    pub(super) fn with_waiters_of(self, other: Self) -> Self {
        Self(self.0 & !FLAGS | other.0 & FLAGS)
    }

    /// Whether both differ in nothing but who waits.
    pub(super) fn is_same(self, other: Self) -> bool {
        (self.0 ^ other.0) & !FLAGS == 0
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenant, next) = (self.tenant().0, self.next().0);
        write!(f, "{} free, {} held by {tenant}, {next} follows", self.free(), self.held())?;
        f.write_str(if self.has_waiters() { ", some wait" } else { "" })
    }
}

/// What a process does with permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Take(u32),
    GiveBack(u32),
    /// What is held is nobody's any more.
    UseUp(u32),
    /// New ones. That there is room for them is to be known before.
    Make(u32),
}

impl Change {
    /// The state after it, with its process as the tenant; none if there are not so many to be taken or given back.
    #[inline]
    pub(super) fn of(self, state: State) -> Option<State> {
        let (enough, less, more) = match self {
            Change::Take(count) => (state.free() >= count, u64::from(count), u64::from(count) << HELD_AT),
            Change::GiveBack(count) => (state.held() >= count, u64::from(count) << HELD_AT, u64::from(count)),
            Change::UseUp(count) => (state.held() >= count, u64::from(count) << HELD_AT, 0),
            Change::Make(count) => (true, 0, u64::from(count)),
        };
        // All permits together are never more than a count can be, so neither runs over into what lies beside it.
        enough.then(|| State(state.0.wrapping_sub(less).wrapping_add(more)))
    }
}
