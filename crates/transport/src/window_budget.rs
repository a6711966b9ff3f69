//! Budgets, over all connections of a server, of bytes that wait: received bytes that bodies have not read, and sent
//! bytes that clients have not acknowledged.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// The window that each connection starts with, in bytes: the least that HTTP/2 allows (RFC 9113 section 6.9.2).
pub const FIRST_WINDOW: u32 = 65_535;

/// A budget of bytes by which windows grow beyond [`FIRST_WINDOW`]. Clones share the budget.
///
/// A connection's window opens as its bytes pass, up to the window of the limits, as long as the budget has bytes left.
/// A connection returns its bytes to the budget when it ends. A server of N connections therefore holds at most N first
/// windows and this budget of bytes that wait.
#[derive(Clone, Debug)]
pub struct WindowBudget(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    total: u64,
    left: AtomicU64,
}

impl WindowBudget {
    /// Returns a budget of `bytes` bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(Bytes { total: bytes, left: AtomicU64::new(bytes) }))
    }

    /// Returns the size of the budget, in bytes.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// Returns the number of bytes that connections hold of the budget now.
    pub fn granted(&self) -> u64 {
        self.0.total.saturating_sub(self.0.left.load(Ordering::Relaxed))
    }

    /// Takes up to `most` bytes from the budget. Returns the number of bytes taken.
    fn take(&self, most: u32) -> u32 {
        let mut taken = 0;
        let less = |left: u64| {
            taken = most.min(u32::try_from(left).unwrap_or(u32::MAX));
            left.checked_sub(taken.into())
        };
        let _ = self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken
    }

    /// Borrows up to `most` bytes, until the loan is dropped.
    pub(crate) fn borrow(&self, most: u32) -> Loan {
        Loan { budget: self.clone(), bytes: self.take(most) }
    }

    fn give_back(&self, bytes: u32) {
        self.0.left.fetch_add(bytes.into(), Ordering::Relaxed);
    }
}

impl PartialEq for WindowBudget {
    /// Returns whether both are the same budget.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for WindowBudget {}

/// Bytes of a budget, which return to it when the loan is dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    budget: WindowBudget,
    bytes: u32,
}

impl Loan {
    /// Returns the number of bytes.
    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// The window of one connection, which returns its bytes to the budget when it is dropped.
#[derive(Debug)]
pub(crate) struct Window {
    budget: WindowBudget,
    first: u32,
    most: u32,
    size: AtomicU32,
    /// The bytes that passed since the window last grew.
    taken: AtomicU64,
}

impl Window {
    /// Returns a window that may open to `most` bytes.
    pub(crate) fn new(budget: &WindowBudget, most: u32) -> Self {
        let first = most.min(FIRST_WINDOW);
        let (size, taken) = (AtomicU32::new(first), AtomicU64::new(0));
        Self { budget: budget.clone(), first, most, size, taken }
    }

    /// Returns a window of `most` bytes, or of fewer if the budget has no more. Meant for a buffer whose size cannot
    /// change.
    pub(crate) fn at_once(budget: &WindowBudget, most: u32) -> Self {
        let window = Self::new(budget, most);
        let more = budget.take(window.most.saturating_sub(window.first));
        window.size.store(window.first.saturating_add(more), Ordering::Relaxed);
        window
    }

    /// Returns the size now, in bytes.
    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Relaxed)
    }

    /// Returns the window to its first size, and the rest of its bytes to the budget.
    pub(crate) fn close(&self) {
        let size = self.size.swap(self.first, Ordering::Relaxed);
        self.taken.store(0, Ordering::Relaxed);
        self.budget.give_back(size.saturating_sub(self.first));
    }

    /// Counts bytes that have passed. Once a whole window has passed, the window doubles as far as the budget allows.
    /// Returns the new size if it has grown.
    pub(crate) fn take(&self, bytes: usize) -> Option<u32> {
        self.passes(bytes).then(|| self.grow()).flatten()
    }

    /// Counts bytes that have passed. Returns whether a whole window has passed since the last time, and the window may
    /// still grow.
    pub(crate) fn passes(&self, bytes: usize) -> bool {
        let size = self.size();
        if size >= self.most {
            return false;
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let is_whole =
            self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= u64::from(size);
        if is_whole {
            self.taken.store(0, Ordering::Relaxed);
        }
        is_whole
    }

    /// Returns the largest size, in bytes.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Doubles the window as far as the budget allows. Returns the new size if it has grown.
    pub(crate) fn grow(&self) -> Option<u32> {
        self.grow_to(self.size().saturating_mul(2))
    }

    /// Grows the window to `size` bytes, as far as its largest size and the budget allow. Returns the new size if it
    /// has grown.
    pub(crate) fn grow_to(&self, size: u32) -> Option<u32> {
        let more = self.budget.take(size.min(self.most).saturating_sub(self.size()));
        let grown = self.size.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        (more > 0).then_some(grown)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.budget.give_back(self.size().saturating_sub(self.first));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes bytes until the window grows no more.
    fn open(window: &Window) -> u32 {
        while window.take(1 << 20).is_some() {}
        window.size()
    }

    #[test]
    fn a_sole_connection_opens_to_the_full_window_and_gives_it_back() {
        let budget = WindowBudget::new(1 << 20);
        let window = Window::new(&budget, 768 << 10);
        assert_eq!(window.size(), FIRST_WINDOW);
        assert_eq!(window.take(1000), None, "a window opens once it has passed");
        assert_eq!(window.take(70_000), Some(2 * FIRST_WINDOW));
        assert_eq!(open(&window), 768 << 10);
        assert_eq!(budget.granted(), (768 << 10) - u64::from(FIRST_WINDOW));
        drop(window);
        assert_eq!(budget.granted(), 0);
    }

    #[test]
    fn connections_beyond_the_budget_keep_their_first_window() {
        let budget = WindowBudget::new(100_000);
        let (first, second) = (Window::new(&budget, 1 << 20), Window::new(&budget, 1 << 20));
        assert_eq!(open(&first), FIRST_WINDOW + 100_000);
        assert_eq!(open(&second), FIRST_WINDOW);
        drop(first);
        assert_eq!(open(&second), FIRST_WINDOW + 100_000);
        assert_eq!(Window::at_once(&budget, 1 << 20).size(), FIRST_WINDOW);
        drop(second);
        assert_eq!(Window::at_once(&budget, 1 << 20).size(), FIRST_WINDOW + 100_000);
        assert_eq!(Window::at_once(&budget, 1000).size(), 1000);
    }

    #[test]
    fn a_window_grows_to_a_size_within_its_most_and_the_budget() {
        let budget = WindowBudget::new(500_000);
        let window = Window::new(&budget, 400_000);
        assert_eq!([window.grow_to(1000), window.grow_to(FIRST_WINDOW)], [None, None]);
        assert_eq!([window.grow_to(100_000), window.grow_to(100_000)], [Some(100_000), None]);
        assert_eq!(window.grow_to(u32::MAX), Some(window.most()));
        let second = Window::new(&budget, 400_000);
        let left = 500_000 - (400_000 - FIRST_WINDOW);
        assert_eq!(second.grow_to(400_000), Some(FIRST_WINDOW + left));
    }

    proptest! {
        #[test]
        fn windows_never_exceed_the_budget_and_return_all_of_it(
            total in 0_u64..2_000_000,
            steps in prop::collection::vec((0_usize..8, 0_usize..500_000, any::<bool>()), 1..200),
        ) {
            let budget = WindowBudget::new(total);
            let mut windows: Vec<Option<Window>> = (0..8).map(|_| None).collect();
            for (at, bytes, ends) in steps {
                let window = windows[at].get_or_insert_with(|| Window::new(&budget, 768 << 10));
                window.take(bytes);
                if ends {
                    windows[at] = None;
                }
                let beyond = |window: &Window| u64::from(window.size() - FIRST_WINDOW);
                let sum: u64 = windows.iter().flatten().map(beyond).sum();
                prop_assert!(sum <= total && sum == budget.granted());
            }
            drop(windows);
            prop_assert_eq!(budget.granted(), 0);
        }
    }
}
