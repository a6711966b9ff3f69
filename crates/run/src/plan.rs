//! The plan of a session: its rounds, the order of the cases in each round, and the condition that ends the rounds.

use std::time::Duration;

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::{Case, CaseKey, Order, Schedule};
use uuid::Uuid;

/// The rounds of a session, their order, and their limits.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of the first round.
    pub(crate) first: u32,
    pub(crate) rounds: u32,
    pub(crate) schedule: Schedule,
    /// The requested half width of each goodput's confidence interval, as a share of the median. `None` runs a fixed
    /// number of rounds.
    pub(crate) precision: Option<f64>,
    pub(crate) longest: Option<Duration>,
}

impl Plan {
    /// The longest time of a session that runs until its goodputs are precise, unless [`within`](Self::within) sets
    /// another.
    pub const LONGEST: Duration = Duration::from_secs(600);

    /// Returns a plan of `rounds` rounds, in the order of the matrix.
    pub fn of(rounds: u32) -> Self {
        Self { first: 0, rounds, schedule: Schedule::FIXED, precision: None, longest: None }
    }

    /// Numbers the rounds from `first`, as a continuation of earlier rounds.
    #[must_use]
    pub fn from_round(self, first: u32) -> Self {
        Self { first, ..self }
    }

    /// Sets the order of the cases within a round. The seed of a shuffle is random, and every record states it.
    #[must_use]
    pub fn in_order(self, order: Order) -> Self {
        let schedule = match order {
            Order::Fixed => Schedule::FIXED,
            Order::Shuffled => Schedule::shuffled(Uuid::new_v4().as_fields().0),
        };
        Self { schedule: schedule.after_warmup(self.schedule.warmup_rounds), ..self }
    }

    /// Sets order, seed and warm-up rounds to those of an earlier invocation.
    #[must_use]
    pub fn in_schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Sets the number of warm-up rounds, which run before the first counted round and are not recorded.
    #[must_use]
    pub fn after_warmup(self, rounds: u32) -> Self {
        Self { schedule: self.schedule.after_warmup(rounds), ..self }
    }

    /// Runs further rounds until the confidence interval of each goodput is within `precision` of its median (0.02 for
    /// ±2 %). The session ends after [`LONGEST`](Self::LONGEST), unless [`within`](Self::within) sets another time.
    #[must_use]
    pub fn until_precise(self, precision: f64) -> Self {
        Self { precision: Some(precision), longest: self.longest.or(Some(Self::LONGEST)), ..self }
    }

    /// Sets the longest time of the session. After it, no run starts; no round starts that might end after it.
    #[must_use]
    pub fn within(self, longest: Duration) -> Self {
        Self { longest: Some(longest), ..self }
    }

    /// Returns the items in the order of a round. It follows from the seed and `round`. Warm-up rounds have numbers
    /// that no counted round reaches.
    pub(crate) fn order<'c, T: AsRef<Case>>(&self, items: &'c [T], round: u32) -> Vec<&'c T> {
        let Some(seed) = self.schedule.seed else { return items.iter().collect() };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(seed) << 32 | u64::from(round));
        let mut blocks = blocks(items);
        shuffle(&mut blocks, &mut random);
        blocks.iter_mut().for_each(|block| shuffle(block, &mut random));
        blocks.into_iter().flatten().collect()
    }
}

impl From<u32> for Plan {
    fn from(rounds: u32) -> Self {
        Self::of(rounds)
    }
}

/// Returns the items in groups whose cases differ only in protocol and limits. Ratios of goodputs are taken within such
/// a group, and its runs should be close together because machines drift.
fn blocks<T: AsRef<Case>>(items: &[T]) -> Vec<Vec<&T>> {
    let mut blocks: Vec<(CaseKey, Vec<&T>)> = Vec::new();
    for item in items {
        let shared = item.as_ref().key().without_protocol();
        match blocks.iter_mut().find(|(key, _)| *key == shared) {
            Some((_, block)) => block.push(item),
            None => blocks.push((shared, vec![item])),
        }
    }
    blocks.into_iter().map(|(_, block)| block).collect()
}

/// Permutes the items at random (Fisher and Yates). Positions are chosen by multiplication, with a bias below 2^-20 for
/// up to 4,096 items.
fn shuffle<T>(items: &mut [T], random: &mut Xoshiro256PlusPlus) {
    for last in (1..items.len()).rev() {
        let chosen = (u64::from(random.next_u32()) * (last as u64 + 1)) >> 32;
        items.swap(last, chosen as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use record::ChunkSize;

    use super::*;

    fn cases() -> Vec<Case> {
        let protocols = ["tcp", "h1c", "h2c", "h2", "h3"];
        let chunks = [16 << 10, 64 << 10, 1 << 20_u64].map(|bytes| ChunkSize::try_from(bytes).unwrap());
        let of = |chunk| {
            protocols.map(|protocol| {
                let mut case = Case::new(protocol);
                case.chunk = chunk;
                case
            })
        };
        chunks.into_iter().flat_map(of).collect()
    }

    fn names(order: &[&Case]) -> Vec<String> {
        order.iter().map(|case| case.key().to_string()).collect()
    }

    fn shuffled(seed: u32) -> Plan {
        Plan { schedule: Schedule::shuffled(seed), ..Plan::of(1) }
    }

    #[test]
    fn a_fixed_order_is_that_of_the_matrix_in_every_round() {
        let cases = cases();
        for round in 0..3 {
            assert!(Plan::of(3).order(&cases, round).iter().copied().eq(&cases));
        }
    }

    #[test]
    fn a_shuffle_has_every_case_once_and_follows_from_seed_and_round() {
        let cases = cases();
        let first = names(&shuffled(7).order(&cases, 0));
        assert_eq!(first, names(&shuffled(7).order(&cases, 0)));
        assert_ne!(first, names(&shuffled(7).order(&cases, 1)));
        assert_ne!(first, names(&shuffled(8).order(&cases, 0)));
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), cases.len());
    }

    #[test]
    fn cases_that_are_compared_stay_together() {
        let cases = cases();
        for round in 0..20 {
            let order = shuffled(1).order(&cases, round);
            let chunks: Vec<_> = order.iter().map(|case| case.chunk).collect();
            assert_eq!(chunks.chunk_by(|a, b| a == b).count(), 3, "{:?}", names(&order));
        }
    }

    /// Over 3,000 rounds, each of five cases should come first 600 times, with a standard deviation of 22.
    #[test]
    fn every_case_comes_first_in_its_block_equally_often() {
        let cases = &cases()[..5];
        let firsts = (0..3000).map(|round| shuffled(3).order(cases, round)[0].protocol.clone());
        let mut counts = std::collections::HashMap::new();
        firsts.for_each(|first| *counts.entry(first).or_insert(0) += 1);
        assert!(counts.len() == 5 && counts.values().all(|count| (500..700).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_warmup_keeps_the_seed_and_the_order() {
        let plan = Plan::of(3).after_warmup(2).in_order(Order::Shuffled);
        assert_eq!((plan.schedule.order, plan.schedule.warmup_rounds), (Order::Shuffled, 2));
        assert_eq!(plan.after_warmup(1).schedule.seed, plan.schedule.seed);
    }
}
