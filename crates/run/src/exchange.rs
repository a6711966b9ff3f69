//! The bodies that one end sends and receives, as client or as server.

use std::{
    collections::BTreeSet,
    fmt::Display,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt as _;
use metrics::{Meter, Pace};
use payload::Payload;
use receiver::{
    Receipt, Reception, Sink, SpinTime,
    save::{Existing, Folder, SafeName, Saver},
};
use record::{Case, End, Fault, FaultKind, SinkKind};
use sender::{MeteredBody, SendProgress};
use tokio::task::spawn_blocking;
use transport::Body;

/// The source of the bodies that an end sends, which keeps the outcome of each body.
#[derive(Debug)]
pub struct Outgoing {
    case: Case,
    /// The payload of the bodies. `None` at the receiver: only the sender holds the block, which is as large as a
    /// chunk.
    payload: Option<Payload>,
    meter: Meter,
    sent: Mutex<Vec<SendProgress>>,
}

impl Outgoing {
    /// Prepares the bodies of one end of a case, which pass `meter`.
    pub fn prepare(case: &Case, end: End, meter: &Meter) -> Self {
        let payload = (end == End::Sender).then(|| Payload::prepare(&case.payload, case.seed, case.chunk));
        if is_traced(case) {
            meter.trace();
        }
        Self { case: case.clone(), payload, meter: meter.clone(), sent: Mutex::default() }
    }

    /// Returns the next body. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails if the payload cannot be opened, or if this end is the receiver.
    pub fn body(&self) -> Result<Body, Fault> {
        let unasked = || Fault::new(FaultKind::Protocol, "the receiver was asked for a body");
        let source = self.payload.as_ref().ok_or_else(unasked)?.open(self.case.body.0)?;
        // The rate is an offered load: a body that was delayed catches up with its schedule.
        let pace = self.case.limit_rate.map(|rate| Pace::new(rate).catching_up());
        let mut body = MeteredBody::new(source, self.meter.clone()).paced(pace);
        // The digest of a generated body follows from seed and size; the digest of a file requires the bytes read.
        if self.case.sink.digests() && !self.case.payload.is_generated() {
            body = body.digesting();
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(body.progress());
        Ok(body.map_err(Into::into).boxed_unsync())
    }

    /// Returns the distinct digests of the bodies that were sent completely.
    pub fn digests(&self) -> BTreeSet<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().filter_map(SendProgress::digest).map(|digest| digest.to_string()).collect()
    }

    /// Returns the failure that kept a body from being read to its end. It is the cause of later failures that the
    /// protocol reports.
    pub fn fault(&self) -> Option<Fault> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().find_map(|sent| sent.error().map(|error| Fault::new(FaultKind::Payload, error)))
    }
}

/// Returns whether both ends stamp the times of a body's offsets. Only a single body has such times. At full speed they
/// would state only how many bytes lie in buffers.
fn is_traced(case: &Case) -> bool {
    case.limit_rate.is_some() && case.bodies() == 1
}

/// Receives one body of a case, which passes `meter`. `spun` counts the time of busy-polling.
///
/// # Errors
/// Fails if the body broke off, has another length, or could not be saved.
pub async fn receive(case: &Case, meter: &Meter, spun: &SpinTime, body: Body) -> Result<Receipt, Fault> {
    let sink = match &case.sink {
        SinkKind::Discard => Sink::discard(),
        SinkKind::Verify => Sink::verify(),
        SinkKind::Collect => Sink::collect(),
        SinkKind::Keep(bytes) => Sink::keep(*bytes, case.chunk.into()),
        SinkKind::Burn(nanoseconds) => Sink::burn(Duration::from_nanos((*nanoseconds).into()), case.chunk),
        SinkKind::Save(folder) => Sink::save(saver(folder.clone(), case.body.0).await?),
    };
    let reception = Reception::of(body, meter)
        .into_sink(sink)
        .expecting(case.body.0)
        .paced(case.reader_rate.map(Pace::new))
        .busy_polling(case.spin.unwrap_or_default(), spun);
    Ok(reception.run().await?)
}

/// Returns a sink that saves a body under a name that is unique in this process. The next run replaces the file.
async fn saver(folder: PathBuf, size: u64) -> Result<Saver, Fault> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let unusable =
        |error: &dyn Display| Fault::new(FaultKind::Save, format!("{}: {error}", folder.display()));
    let name = format!("longhaul-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let name = SafeName::parse(&name).map_err(|error| unusable(&error))?;
    let opened = folder.clone();
    let opened = spawn_blocking(move || Folder::open(&opened)).await.map_err(|error| unusable(&error))?;
    let opened = opened.map_err(|error| unusable(&error))?;
    Saver::begin(&opened, &name, Existing::Replace, Some(size)).await.map_err(|error| unusable(&error))
}
