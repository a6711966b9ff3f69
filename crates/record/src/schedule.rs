//! The order of the runs of a session.

use serde::{Deserialize, Serialize};

/// The order of the runs of a session, and the rounds that did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Schedule {
    /// The order of the cases in a round.
    pub order: Order,
    /// The seed of the shuffle; null if the order is fixed.
    pub seed: Option<u32>,
    /// The rounds that were run before the first counted one. They have no records.
    pub warmup_rounds: u32,
}

/// The order of the cases in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Each round has a random order of its own. Cases that differ only in their protocol stay together.
    Shuffled,
    /// Every round has the order of the matrix.
    Fixed,
}

impl Schedule {
    /// The order of the matrix in every round.
    pub const FIXED: Self = Self { order: Order::Fixed, seed: None, warmup_rounds: 0 };

    /// A random order of each round, which follows from `seed`.
    pub fn shuffled(seed: u32) -> Self {
        Self { order: Order::Shuffled, seed: Some(seed), warmup_rounds: 0 }
    }

    /// Sets the rounds that do not count.
    #[must_use]
    pub fn after_warmup(self, warmup_rounds: u32) -> Self {
        Self { warmup_rounds, ..self }
    }
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 2] = [Self::Shuffled, Self::Fixed];

    /// The value of the flag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Fixed => "fixed",
        }
    }
}
