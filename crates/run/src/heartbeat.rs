//! Heartbeats: reports on the progress of an end, a few times per second.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use transport::Link;

/// The progress of an end, with its memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The number of body bytes so far.
    pub bytes: u64,
    /// Resident memory now, in bytes.
    pub rss_bytes: Option<u64>,
    /// Resident memory before the first byte, in bytes.
    pub baseline_rss_bytes: Option<u64>,
}

/// A function that returns the state of all connections of an end together.
pub type Links = Arc<dyn Fn() -> Link + Send + Sync>;

/// Returns the state of all connections of an end, added up.
pub fn together(mut links: impl Iterator<Item = Link>) -> Link {
    let mut all = links.next().unwrap_or_default();
    links.for_each(|link| all.add(&link));
    all
}
