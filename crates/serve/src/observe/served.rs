//! The traffic of one protocol.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::Version;
use record::{PROTOCOLS, Protocol};

/// The name of the protocol of requests that could not be read.
const UNREAD: &str = "unknown";

/// The requests and the bytes of bodies of one protocol, since the start of the server.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// The row of the protocol; `None` for requests that could not be read.
    row: Option<&'static Protocol>,
    /// The requests that arrived, and those of them that have ended.
    pub(super) requests: AtomicU64,
    pub(super) ended: AtomicU64,
    /// The bytes of bodies, received and sent.
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
}

impl Served {
    /// Returns the traffic of all protocols with HTTP, and that of requests that could not be read.
    pub(super) fn of_all() -> Vec<std::sync::Arc<Self>> {
        let rows = PROTOCOLS.iter().filter(|row| row.is_http()).map(Some);
        rows.chain([None]).map(|row| Self { row, ..Self::default() }.into()).collect()
    }

    /// Returns the name of the protocol.
    pub(super) fn name(&self) -> &'static str {
        self.row.map_or(UNREAD, |row| row.name)
    }

    /// Returns whether this is the traffic of a version of HTTP, with or without encryption.
    pub(super) fn is_of(&self, version: Version, is_encrypted: bool) -> bool {
        let http = match version {
            Version::HTTP_3 => "3",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        self.row.is_some_and(|row| row.http() == Some(http) && row.is_encrypted() == is_encrypted)
    }

    /// Returns the number of requests that run.
    pub(super) fn open(&self) -> u64 {
        // The ends are read first. Otherwise, a request that begins and ends between both reads would be subtracted
        // without being counted.
        let ended = self.ended.load(Relaxed);
        self.requests.load(Relaxed).saturating_sub(ended)
    }
}
