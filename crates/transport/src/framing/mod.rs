//! The framing that a receiver sees: chunks, DATA frames, TLS records and datagrams, counted and sized as they arrive.
//!
//! Nothing is observed by default. An observed byte stream passes through an [`Observed`], whose [`FrameParser`] reads
//! the heads of the pieces. HTTP/3 and UDP sockets report to their [`SizeLog`] directly.

mod http1_chunks;
mod observed;
mod size_log;
mod sizes;
#[cfg(test)]
pub(crate) mod tests;
mod tls_records;

pub(crate) use http1_chunks::Http1Chunks;
pub(crate) use observed::{FrameParser, Observed};
pub(crate) use size_log::SizeLog;
pub(crate) use tls_records::TlsRecords;

/// The counts of all pieces that arrive on some connections. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct FramingObserver {
    pub(crate) tls_records: SizeLog,
    pub(crate) http1_chunks: SizeLog,
    pub(crate) data_frames: SizeLog,
    pub(crate) datagrams: SizeLog,
}

impl FramingObserver {
    /// Returns the counts as a record states them.
    pub fn record(&self) -> record::Framing {
        record::Framing {
            tls_records: self.tls_records.summary(),
            http1_chunks: self.http1_chunks.summary(),
            data_frames: self.data_frames.summary(),
            datagrams: self.datagrams.summary(),
        }
    }
}
