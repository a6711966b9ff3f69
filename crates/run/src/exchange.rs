//! The bodies that one end of a run sends and receives, as client or as server.

use std::{
    collections::BTreeSet,
    fmt::Display,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Uri;
use http_body_util::BodyExt as _;
use metrics::{Meter, Pace};
use payload::Payload;
use receiver::{
    Receipt, Reception, Sink, SpinTime,
    save::{Existing, Folder, SafeName, Saver},
};
use record::{Case, End, Fault, FaultKind, Protocol, SinkKind};
use sender::{MeteredBody, SendProgress};
use tokio::{sync, task::spawn_blocking};
use transport::Body;

/// The bodies that an end sends, and the outcome of each.
#[derive(Debug)]
pub struct Outgoing {
    case: Case,
    /// The payload of the bodies; `None` at the receiver. Only the sender holds the block, which is at least as large
    /// as a chunk.
    payload: Option<Payload>,
    meter: Meter,
    sent: Mutex<Vec<SendProgress>>,
}

impl Outgoing {
    /// Prepares the bodies of one end of a case. All of them pass `meter`.
    pub fn prepare(case: &Case, end: End, meter: &Meter) -> Self {
        let payload = (end == End::Sender).then(|| Payload::prepare(&case.payload, case.seed, case.chunk));
        if stamps_offsets(case) {
            meter.trace(case.bodies().try_into().unwrap_or(u32::MAX));
        }
        Self { case: case.clone(), payload, meter: meter.clone(), sent: Mutex::default() }
    }

    /// Returns the body with this number. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails if the payload cannot be opened, or if this end is the receiver.
    pub fn body(&self, number: u32) -> Result<Body, Fault> {
        let unasked = || Fault::new(FaultKind::Protocol, "the receiver was asked for a body");
        let source = self.payload.as_ref().ok_or_else(unasked)?.open(self.case.body.0)?;
        // The rate is an offered load: a body that was delayed catches up with its schedule.
        let pace = self.case.limit_rate.map(|rate| Pace::new(rate).catching_up());
        let mut body = MeteredBody::new(source, self.meter.of_body(number)).paced(pace);
        // The digest of a generated body follows from seed and size; the digest of a file requires the bytes read.
        if self.case.sink.digests() && !self.case.payload.is_generated() {
            body = body.digesting();
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(body.progress());
        Ok(body.boxed_unsync())
    }

    /// Returns the distinct digests of the bodies that were sent completely. Only bodies that are not generated have
    /// one.
    pub fn digests(&self) -> BTreeSet<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().filter_map(SendProgress::digest).map(|digest| digest.to_string()).collect()
    }

    /// Returns the failure of a payload that could not be read to its end. Failures that the protocol reports
    /// afterwards follow from it.
    pub fn fault(&self) -> Option<Fault> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().find_map(|sent| sent.error().map(|error| Fault::new(FaultKind::Payload, error)))
    }
}

/// The most bodies whose offsets are stamped. All bodies share 4,096 stamps, so that each of 32 long bodies keeps 64 to
/// 128.
const MOST_TRACED: u64 = 32;

/// Returns whether both ends stamp the times at which each body reaches evenly spaced offsets. At full speed, such
/// times would show only the bytes in buffers. Several bodies need a protocol with HTTP, whose requests name their
/// body.
pub(crate) fn stamps_offsets(case: &Case) -> bool {
    let names_bodies = Protocol::by_name(&case.protocol).is_some_and(|protocol| protocol.http().is_some());
    let most = if names_bodies { MOST_TRACED } else { 1 };
    case.limit_rate.is_some() && case.bodies() <= most
}

/// The number of a body within its run. The query of the request states the number, so that both ends use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyNumber(pub(crate) u32);

impl BodyNumber {
    const PARAMETER: &str = "body=";

    /// Returns the query that states the number, with its question mark.
    pub(crate) fn query(self) -> String {
        format!("?{}{}", Self::PARAMETER, self.0)
    }

    /// Returns the number that a request states; 0 if it states none.
    pub(crate) fn of(uri: &Uri) -> Self {
        let number = uri.query().and_then(|query| query.strip_prefix(Self::PARAMETER));
        Self(number.and_then(|number| number.parse().ok()).unwrap_or_default())
    }
}

/// Receives one body of a case, which passes `meter`, and adds the time of busy-polling to `spun`.
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
        SinkKind::Save(folder) => Sink::save(saver(folder, case.body.0).await?),
    };
    let reception = Reception::of(body, meter)
        .into_sink(sink)
        .expecting(case.body.0)
        .paced(case.reader_rate.map(Pace::new))
        .busy_polling(case.spin.unwrap_or_default(), spun);
    Ok(reception.run().await?)
}

/// Returns a saver for a body of `size` bytes, under a name that is unique in this process. A later process counts from
/// 1 again and replaces the file.
async fn saver(path: &Path, size: u64) -> Result<Saver, Fault> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let unusable = |error: &dyn Display| unusable(path, error);
    let name = format!("longhaul-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let name = SafeName::parse(&name).map_err(|error| unusable(&error))?;
    let folder = folder(path).await?;
    Saver::begin(&folder, &name, Existing::Replace, Some(size)).await.map_err(|error| unusable(&error))
}

/// Opens the folder of saved bodies, unless this process has opened it before. All bodies share one folder, and so its
/// bound on the memory of bodies that wait for the disk.
async fn folder(path: &Path) -> Result<Folder, Fault> {
    static LAST: sync::Mutex<Option<Folder>> = sync::Mutex::const_new(None);
    let mut last = LAST.lock().await;
    if let Some(folder) = last.as_ref().filter(|folder| folder.path() == path) {
        return Ok(folder.clone());
    }
    let unopened = PathBuf::from(path);
    let opened = spawn_blocking(move || Folder::open(&unopened)).await;
    let opened = opened.map_err(|error| unusable(path, &error))?.map_err(|error| unusable(path, &error))?;
    Ok(last.insert(opened).clone())
}

fn unusable(path: &Path, error: &dyn Display) -> Fault {
    Fault::new(FaultKind::Save, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_body_to_the_other_end() {
        let of = |text: &str| BodyNumber::of(&text.parse().unwrap());
        for number in [0, 7, u32::MAX] {
            let number = BodyNumber(number);
            assert_eq!(of(&format!("https://localhost:1/path{}", number.query())), number);
        }
        for other in
            ["/path", "/path?", "/path?body=", "/path?body=x", "/path?size=5", "/path?body=4294967296"]
        {
            assert_eq!(of(other), BodyNumber(0), "{other}");
        }
    }

    #[test]
    fn bodies_have_times_if_they_are_held_to_a_rate_and_can_be_told_apart() {
        let traced = |protocol: &str, streams, rate: Option<&str>| {
            let mut case = Case::new(protocol);
            (case.streams, case.limit_rate) = (streams, rate.map(|rate| rate.parse().unwrap()));
            stamps_offsets(&case)
        };
        assert!(traced("h3", 8, Some("1MiB")) && traced("tcp", 1, Some("1MiB")));
        assert!(
            !traced("h3", 1, None) && !traced("quic", 8, Some("1MiB")) && !traced("h2", 33, Some("1MiB"))
        );
    }
}
