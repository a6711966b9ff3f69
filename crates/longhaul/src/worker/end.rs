//! What an end does with bodies, be it client or server: send one, take one in.

use std::{
    collections::BTreeSet,
    fmt::Display,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt as _;
use metrics::{Meter, Pace};
use payload::{Kind, Payload};
use receiver::{
    Receipt, Sink,
    save::{Folder, SafeName, Saver},
};
use sender::{MeteredBody, Sent};
use transport::Body;

use super::protocol::Job;
use crate::{
    case::SinkKind,
    record::{End, Fault, FaultKind, fault},
    size::ByteSize,
};

/// Makes the bodies that this end sends, and remembers how each went.
pub(super) struct Outgoing {
    /// `None` on the receiver: a block as large as a chunk is the sender's to hold.
    payload: Option<Payload>,
    size: u64,
    meter: Meter,
    digest: bool,
    rate: Option<ByteSize>,
    sent: Mutex<Vec<Sent>>,
}

impl Outgoing {
    pub(super) fn prepare(job: &Job, meter: &Meter) -> Self {
        // A generated body's digest follows from seed and size; a file's only from what was read.
        let digest = job.sink.digests() && matches!(job.payload, Kind::File(_));
        let payload = (job.end() == End::Sender).then(|| Payload::prepare(&job.payload, job.seed, job.chunk));
        let (size, rate) = (job.body_bytes, job.rates.limit);
        Self { payload, size, meter: meter.clone(), digest, rate, sent: Mutex::default() }
    }

    pub(super) fn body(&self) -> Result<Body, Fault> {
        let unasked = || fault(FaultKind::Protocol, "the receiver was asked for a body");
        let source = self.payload.as_ref().ok_or_else(unasked)?.open(self.size)?;
        let body = MeteredBody::new(source, self.meter.clone(), self.digest)
            .paced(self.rate.map(|rate| Pace::new(rate.0)));
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

/// How long a receiver stays awake when it has taken all there is. An HTTP/2 sender whose window is used up and a
/// receiver that has emptied it used to wake each other once a MiB: awake, h2c moves 7,200 instead of 4,900 MiB/s, h2
/// 3,300 instead of 2,850. A reader that waits longer than this costs nobody anything to speak of.
const SPIN: Duration = Duration::from_micros(100);

/// Takes one body in.
pub(super) async fn take_in(job: &Job, meter: &Meter, body: Body) -> Result<Receipt, Fault> {
    let sink = match &job.sink {
        SinkKind::Discard => Sink::Discard,
        SinkKind::Verify => Sink::verify(),
        SinkKind::Collect => Sink::Collect(Vec::new()),
        SinkKind::Save(folder) => Sink::save(saver(folder)?),
    };
    let pace = job.rates.reader.map(|rate| Pace::new(rate.0));
    Ok(receiver::receive(body, meter, sink, Some(job.body_bytes), pace, SPIN).await?)
}

/// Saves under a name of the body's own in this run; the next run replaces it.
fn saver(folder: &Path) -> Result<Saver, Fault> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let unusable = |error: &dyn Display| fault(FaultKind::Save, format!("{}: {error}", folder.display()));
    let name = format!("longhaul-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let name = SafeName::parse(&name).map_err(|error| unusable(&error))?;
    let folder = Folder::open(folder).map_err(|error| unusable(&error))?;
    Saver::begin(&folder, name).map_err(|error| unusable(&error))
}
