//! The order of the runs of a session.

use serde::{Deserialize, Serialize};

/// The order of the runs of a session, and its warm-up rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Schedule {
    /// The order of the cases in a round.
    pub order: Order,
    /// The seed of the random order; null if the order is fixed.
    pub seed: Option<u32>,
    /// The number of warm-up rounds before the first measured round. Warm-up rounds have no records.
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
    /// The schedule in which every round has the order of the matrix.
    pub const FIXED: Self = Self { order: Order::Fixed, seed: None, warmup_rounds: 0 };

    /// Creates the schedule in which each round has a random order, which `seed` determines.
    pub fn shuffled(seed: u32) -> Self {
        Self { order: Order::Shuffled, seed: Some(seed), warmup_rounds: 0 }
    }

    /// Sets the number of warm-up rounds.
    #[must_use]
    pub fn after_warmup(self, warmup_rounds: u32) -> Self {
        Self { warmup_rounds, ..self }
    }
}

impl Order {
    /// All orders, the default first.
    pub const ALL: [Self; 2] = [Self::Shuffled, Self::Fixed];

    /// Returns the value of the `--order` flag that selects the order.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Fixed => "fixed",
        }
    }
}
