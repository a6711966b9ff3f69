//! Heartbeats: reports on the progress of one end of a run, a few times per second.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use transport::Link;

/// The progress of one end of a run, and its memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The number of body bytes so far.
    pub bytes: u64,
    /// Resident memory now, in bytes.
    pub rss_bytes: Option<u64>,
    /// Resident memory before the first byte, in bytes.
    pub baseline_rss_bytes: Option<u64>,
}

/// A function that returns the sum of the states of all connections of an end.
pub type Links = Arc<dyn Fn() -> Link + Send + Sync>;

/// Adds up the states of the connections of an end.
pub fn together(mut links: impl Iterator<Item = Link>) -> Link {
    let mut all = links.next().unwrap_or_default();
    links.for_each(|link| all.add(&link));
    all
}
