//! What runs a case: worker processes for real, anything else in tests.

use async_trait::async_trait;
use payload::ALGORITHM;

use crate::{
    case::Case,
    instruments::Sign,
    record::{CoreRoundTrip, End, EndRecord, Fault, FaultKind, Integrity, LinkRecord, Record, fault},
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
    fn progress(&mut self, case: &Case, end: End, sign: Sign);
    /// It is over, and its record written.
    fn finished(&mut self, record: &Record);
}

/// All that a run yields; everything else in a record is known before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) fault: Option<Fault>,
    pub(crate) elapsed_s: Option<f64>,
    pub(crate) handshake_s: Option<f64>,
    pub(crate) first_byte_s: Option<f64>,
    pub(crate) sender: Option<EndRecord>,
    pub(crate) receiver: Option<EndRecord>,
    pub(crate) core_round_trip: Option<CoreRoundTrip>,
    pub(crate) integrity: Option<Integrity>,
    pub(crate) link: Option<LinkRecord>,
}

impl Measured {
    /// Holds what was sent against what was received, where both are known.
    pub(crate) fn prove(&mut self, sent: Option<String>, received: Option<String>) {
        let Some((sent, received)) = sent.zip(received) else { return };
        let matches = sent == received;
        if !matches {
            let message = format!("{sent} was sent, {received} was received");
            self.fault.get_or_insert(fault(FaultKind::Integrity, message));
        }
        self.integrity = Some(Integrity { algorithm: ALGORITHM.into(), sent, received, matches });
    }
}
