//! What an end does with bodies, be it client or server: send one, take one in.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use http_body_util::BodyExt as _;
use metrics::Meter;
use payload::{Kind, Payload};
use receiver::{Receipt, Sink};
use sender::{MeteredBody, Sent};
use transport::Body;

use super::protocol::Job;
use crate::{
    case::SinkKind,
    record::{Fault, FaultKind, fault},
};

/// Makes the bodies that this end sends, and remembers how each went.
pub(super) struct Outgoing {
    payload: Payload,
    size: u64,
    meter: Meter,
    digest: bool,
    sent: Mutex<Vec<Sent>>,
}

impl Outgoing {
    pub(super) fn prepare(job: &Job, meter: &Meter) -> Self {
        // A generated body's digest follows from seed and size; a file's only from what was read.
        let digest = job.sink == SinkKind::Verify && matches!(job.payload, Kind::File(_));
        let payload = Payload::prepare(&job.payload, job.seed, job.chunk);
        Self { payload, size: job.body_bytes, meter: meter.clone(), digest, sent: Mutex::default() }
    }

    pub(super) fn body(&self) -> Result<Body, Fault> {
        let source = self.payload.open(self.size)?;
        let body = MeteredBody::new(source, self.meter.clone(), self.digest);
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(body.sent());
        Ok(body.map_err(Into::into).boxed_unsync())
    }

    /// The distinct digests of the bodies that were sent whole.
    pub(super) fn digests(&self) -> BTreeSet<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().filter_map(Sent::digest).map(|digest| digest.to_string()).collect()
    }

    /// What kept a body from being read to its end: the cause of whatever the protocol said after it.
    pub(super) fn fault(&self) -> Option<Fault> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().find_map(|sent| sent.error().map(|error| fault(FaultKind::Payload, error)))
    }
}

/// Takes one body in.
pub(super) async fn take_in(job: &Job, meter: &Meter, body: Body) -> Result<Receipt, Fault> {
    let sink = match job.sink {
        SinkKind::Discard => Sink::Discard,
        SinkKind::Verify => Sink::verify(),
    };
    Ok(receiver::receive(body, meter, sink, Some(job.body_bytes)).await?)
}
