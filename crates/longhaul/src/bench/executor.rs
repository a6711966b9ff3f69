//! What runs a case: worker processes for real, anything else in tests.

use async_trait::async_trait;

use crate::{
    case::Case,
    record::{End, EndRecord, Fault, Integrity, LinkRecord, Record},
};

/// Runs one case once. It never fails: what goes wrong is part of what was measured.
#[async_trait(?Send)]
pub(super) trait Executor {
    async fn run(&self, case: &Case, observer: &mut dyn Observer) -> Measured;
}

/// Is told how a run goes on.
pub(super) trait Observer {
    /// A run begins.
    fn started(&mut self, case: &Case, round: u32);
    /// One of its ends gave a sign of life.
    fn progress(&mut self, case: &Case, end: End, bytes: u64, rss_bytes: Option<u64>);
    /// It is over, and its record written.
    fn finished(&mut self, record: &Record);
}

/// All that a run yields; everything else in a record is known before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) fault: Option<Fault>,
    pub(super) elapsed_s: Option<f64>,
    pub(super) handshake_s: Option<f64>,
    pub(super) first_byte_s: Option<f64>,
    pub(super) sender: Option<EndRecord>,
    pub(super) receiver: Option<EndRecord>,
    pub(super) integrity: Option<Integrity>,
    pub(super) link: Option<LinkRecord>,
}
