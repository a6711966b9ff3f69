//! Turns of credit: the connections of a server share the receive buffer of one UDP socket.
//!
//! If the peers of many connections send at once, the windows of all of them exceed the buffer, and the kernel drops
//! datagrams. A connection with a few packets in flight notices such a loss by a timeout only, and the timeouts double.
//! Therefore the server becomes *crowded* when the buffer is full and more connections receive than first windows fit
//! in the buffer. It stays crowded as long as so many connections receive. The windows of a crowded server do not renew
//! themselves. A connection that has used up its credit waits in a queue, and gets the credit of some first windows in
//! its turn. While the server is not crowded, each connection has a window that renews itself.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::window_budget::{Loan, WindowBudget};

/// The interval of [`Turns::tick`].
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The window, in bytes, of a connection that begins while the server is crowded: a head of a usual size fits in it, and a
/// larger one takes turns. 1,000 of them, with the kernel's overhead, fit in half of a buffer of 8 MiB.
pub(super) const LEAST: u32 = 2 << 10;

/// The age that a turn gains by a tick. A turn ages more slowly while the buffer is full, because its bytes may wait in
/// the buffer.
const AGE: u32 = 4;
const AGE_WHILE_FULL: u32 = 1;

/// The age from which a turn ends if no byte has arrived during the last ticks: 0.4 s, or 1.6 s while the buffer is
/// full.
const SILENT: u32 = 4 * AGE;

/// The age at which any turn ends, so that a slow client does not hold up the others: 1 s, or 4 s while the buffer is
/// full.
const LONGEST: u32 = 10 * AGE;

/// The growth of [`Turns::more`] by a tick, while the buffer is not full and connections wait: one, and one in `FASTER`
/// of its value. Distant clients use up their credit slowly, so a server keeps up with many more of them.
const FASTER: usize = 8;

/// The bound on growing windows, while as many connections receive as first windows fit in the buffer: between two
/// ticks, one in `GROWING` of that number of windows may grow.
const GROWING: usize = 8;

/// The number of first windows that a turn grants. With one instead of four, 300 clients on two cores took twice as
/// long, and most of the time went into waking them.
const TURN: usize = 4;

/// The ticks without a byte after which a connection no longer counts as receiving.
const QUIET: u32 = 10;

/// The flow control of a connection. The window is the credit that renews itself as bytes are read.
pub(super) trait Credit {
    /// Sets the window. A smaller one takes effect as bytes are read.
    fn set_window(&self, bytes: u32);

    /// Grants `bytes` bytes of credit that does not renew itself. The window must be zero.
    fn grant(&self, bytes: u32) {
        self.set_window(bytes);
        self.set_window(0);
    }
}

/// The connections of a socket.
#[derive(Debug)]
pub(super) struct Turns<C> {
    /// The number of first windows that fit in the buffer.
    windows: usize,
    /// The budget of the bytes that turns grant beyond a first window.
    budget: WindowBudget,
    /// The number of turns at once while the buffer is full.
    places: usize,
    /// The number of turns beyond `places` at once. It grows while the server keeps up.
    more: usize,
    /// The number of turns that connections have now.
    held: usize,
    /// The number of windows that may still grow before the next tick, once as many connections receive as first
    /// windows fit in the buffer.
    growths: usize,
    crowded: bool,
    seats: BTreeMap<u64, Seat<C>>,
    next: u64,
    /// The connections that have used up their credit.
    queue: VecDeque<u64>,
}

/// A connection.
#[derive(Debug)]
struct Seat<C> {
    /// The connection, once its handshake is complete.
    connection: Option<C>,
    /// The first window, in bytes.
    first: u32,
    /// The bytes that have passed.
    passed: Arc<AtomicU64>,
    /// The bytes that had passed at the last tick.
    seen: u64,
    /// The ticks since a byte passed.
    quiet: u32,
    stage: Stage,
    /// The part of the credit beyond a first window.
    loan: Option<Loan>,
}

/// The credit of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A window that renews itself.
    Open,
    /// No window, but up to `left` bytes of credit. `age` grows with each tick (see [`AGE`]). `place` is true for a
    /// turn, and false for the rest of an earlier window.
    Once { left: u64, age: u32, place: bool },
    /// No credit.
    Waiting,
    /// A window, and up to `left` bytes of earlier credit beside it.
    Draining { left: u64 },
}

impl<C: Credit> Turns<C> {
    /// Returns the turns of a socket in whose buffer `windows` first windows fit. Turns borrow from `budget` what they
    /// grant beyond a first window.
    pub(super) fn new(windows: usize, budget: WindowBudget) -> Self {
        let windows = windows.max(1);
        Self {
            windows,
            budget,
            places: windows.div_ceil(TURN),
            more: 0,
            held: 0,
            growths: 0,
            crowded: false,
            seats: BTreeMap::new(),
            next: 0,
            queue: VecDeque::new(),
        }
    }

    /// Adds a connection whose handshake begins, with a first window of `first` bytes. Returns its number, and the
    /// window that it must begin with.
    pub(super) fn join(&mut self, first: u32, passed: Arc<AtomicU64>) -> (u64, u32) {
        let narrow = first > LEAST && (self.crowded || self.receiving() >= self.windows);
        let (begins, stage) = if narrow {
            (LEAST, Stage::Once { left: LEAST.into(), age: 0, place: false })
        } else {
            (first, Stage::Open)
        };
        let id = self.next;
        self.next += 1;
        self.seats.insert(id, Seat { connection: None, first, passed, seen: 0, quiet: 0, stage, loan: None });
        (id, begins)
    }

    /// Adds the connection itself once its handshake is complete.
    pub(super) fn establish(&mut self, id: u64, connection: C) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if seat.stage != Stage::Open {
            connection.set_window(0);
        }
        seat.quiet = 0;
        seat.connection = Some(connection);
    }

    /// Returns whether connections take turns.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Returns whether there are so many connections that [`Turns::tick`] is needed.
    pub(super) fn is_watched(&self) -> bool {
        self.seats.len() > self.windows
    }

    /// Returns whether the window of the connection, which renews itself, may grow now. Once as many connections
    /// receive as first windows fit in the buffer, only a few windows grow between two ticks, so that each tick shows
    /// their effect on the buffer.
    pub(super) fn may_grow(&mut self, id: u64) -> bool {
        if self.seats.get(&id).is_none_or(|seat| seat.stage != Stage::Open) {
            return false;
        }
        if !self.is_watched() || self.receiving() < self.windows {
            return true;
        }
        let left = self.growths.checked_sub(1);
        self.growths = left.unwrap_or_default();
        left.is_some()
    }

    /// Notes that `bytes` bytes of a connection with a window of `window` bytes were read. Returns the state of the
    /// window afterwards.
    pub(super) fn taken(&mut self, id: u64, bytes: u64, window: u32) -> Outcome {
        let crowded = self.crowded;
        let Some(seat) = self.seats.get_mut(&id) else { return Outcome::Open };
        let Some(connection) = &seat.connection else { return Outcome::Open };
        match &mut seat.stage {
            Stage::Open if crowded => {
                connection.set_window(0);
                seat.stage = Stage::Once { left: window.into(), age: 0, place: false };
                Outcome::Held
            }
            Stage::Open => Outcome::Open,
            Stage::Waiting => Outcome::Closed,
            Stage::Once { left, place, .. } => {
                *left = left.saturating_sub(bytes);
                if *left > 0 {
                    return Outcome::Held;
                }
                self.held -= usize::from(*place);
                (seat.stage, seat.loan) = (Stage::Waiting, None);
                self.queue.push_back(id);
                self.grant();
                Outcome::Closed
            }
            Stage::Draining { left } => {
                *left = left.saturating_sub(bytes);
                if *left > 0 {
                    return Outcome::Held;
                }
                connection.set_window(seat.first);
                (seat.stage, seat.loan) = (Stage::Open, None);
                Outcome::Closed
            }
        }
    }

    /// Removes a connection.
    pub(super) fn leave(&mut self, id: u64) {
        if let Some(Seat { stage: Stage::Once { place: true, .. }, .. }) = self.seats.remove(&id) {
            self.held -= 1;
            self.grant();
        }
    }

    /// Ends turns that last too long, and decides whether connections take turns: from the moment that the buffer is
    /// `full`, as long as there are too many connections. To be called every [`TICK`].
    pub(super) fn tick(&mut self, full: bool) {
        for seat in self.seats.values_mut() {
            seat.observe();
        }
        self.crowded = self.receiving() > self.windows && (self.crowded || full);
        self.more = match self.more {
            more if self.crowded && !full && !self.queue.is_empty() => more + 1 + more / FASTER,
            more if self.crowded && !full => more,
            _ => 0,
        };
        self.growths = if full { 0 } else { self.windows.div_ceil(GROWING) };
        for seat in self.seats.values_mut() {
            if let Stage::Once { left, age, place } = &mut seat.stage
                && let Some(connection) = &seat.connection
            {
                *age += if full { AGE_WHILE_FULL } else { AGE };
                let silent = seat.quiet.saturating_mul(AGE);
                let is_over = *age >= LONGEST || (*age >= SILENT && silent >= SILENT);
                if is_over || !self.crowded {
                    self.held -= usize::from(*place);
                    let owed = u32::try_from(*left).unwrap_or(u32::MAX);
                    connection.set_window(seat.first.saturating_sub(owed).max(LEAST.min(seat.first)));
                    seat.stage = Stage::Draining { left: *left };
                }
            }
        }
        self.grant();
    }

    /// Returns the number of connections that receive.
    fn receiving(&self) -> usize {
        self.seats.values().filter(|seat| seat.is_receiving()).count()
    }

    /// Gives turns to the connections that wait, in the order of their arrival, as long as fewer turns are held than
    /// there may be at once.
    fn grant(&mut self) {
        let beyond = u32::try_from(TURN.min(self.windows)).unwrap_or(u32::MAX).saturating_sub(1);
        while self.held < self.places.saturating_add(self.more) || !self.crowded {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let Some(connection) = &seat.connection else { continue };
            if self.crowded {
                let loan = self.budget.borrow(seat.first.saturating_mul(beyond));
                let bytes = seat.first.saturating_add(loan.bytes());
                connection.grant(bytes);
                seat.stage = Stage::Once { left: bytes.into(), age: 0, place: true };
                seat.loan = Some(loan);
                self.held += 1;
            } else {
                connection.set_window(seat.first);
                seat.stage = Stage::Open;
            }
        }
    }
}

/// The window of a connection after bytes were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The window renews itself, and may grow.
    Open,
    /// The window is zero or reduced, and earlier credit is left.
    Held,
    /// The earlier credit is used up: the window has its first size, or is zero.
    Closed,
}

impl<C> Seat<C> {
    /// Notes whether bytes have passed since the last tick.
    fn observe(&mut self) {
        let passed = self.passed.load(Ordering::Relaxed);
        let moved = passed != std::mem::replace(&mut self.seen, passed);
        self.quiet = if moved { 0 } else { self.quiet.saturating_add(1) };
    }

    /// Returns whether the connection counts as receiving: it waits for credit, it has received a byte within the last
    /// [`QUIET`] ticks, or its handshake is not complete.
    fn is_receiving(&self) -> bool {
        self.stage == Stage::Waiting || self.connection.is_none() || self.quiet < QUIET
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
