//! Warnings: conditions of the machine, seen before a session, that spoil its figures.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A condition of the machine that spoils figures of the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Warning {
    /// The name of the condition, as `longhaul doctor` names it.
    pub name: String,
    /// The observation, as a sentence without a full stop, such as "other processes used 55 % of the CPU".
    pub observed: String,
    /// The effect on the figures, such as "lower and noisier figures".
    pub expect: String,
}

impl Warning {
    /// Creates a warning from the name of the condition, the observation and the effect on the figures.
    pub fn new(name: impl Into<String>, observed: impl Into<String>, expect: impl Into<String>) -> Self {
        Self { name: name.into(), observed: observed.into(), expect: expect.into() }
    }
}

/// Writes the observation and the effect as two sentences.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Expect {}.", self.observed, self.expect)
    }
}
