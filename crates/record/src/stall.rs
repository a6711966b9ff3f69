//! The standstill of the reader of a body.

use serde::{Deserialize, Serialize};

/// The standstill of the reader of a body, in a run whose case demands one (`case.reader_stall_s`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stall {
    /// The time in seconds at which the reader began to stand still, by the clock of the program's memory timeline.
    pub began_s: f64,
    /// The time in seconds for which the reader stood still. It is shorter than the case demands if the program under
    /// proof ended the transfer before.
    pub seconds: f64,
    /// The reason why the transfer was not completed, if the program under proof ended it by itself; null if the whole
    /// body arrived.
    pub ended: Option<String>,
}
