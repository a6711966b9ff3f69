//! Random numbers for tests of coverage: the same numbers in every run.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

pub(crate) struct Simulation {
    random: Xoshiro256PlusPlus,
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Returns a random number, uniform between 0 and 1, both excluded.
    fn uniform(&mut self) -> f64 {
        (f64::from(self.random.next_u32()) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }

    /// Returns a random number from a nearly normal distribution with a mean of 0 and a deviation of 1: the sum of
    /// twelve uniform numbers.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Returns a random number from an exponential distribution with a mean of 1, whose median is ln 2.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }
}
