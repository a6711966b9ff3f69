//! The part of a measurement that belongs to one thread of an end.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use metrics::Meter;
use process::{ThreadId, ThreadTimes};
use receiver::SpinTime;
use record::ThreadRecord;

use crate::Place;

/// The instruments of one thread of an end. All bodies on the connections of the thread pass them, so that no thread
/// waits for another one at an instrument.
#[derive(Debug)]
pub struct ThreadShare {
    place: Place,
    meter: Meter,
    spun: SpinTime,
    connections: AtomicU64,
    /// The processor time and run delay of the thread until the end of the preparation.
    prepared: OnceLock<Option<ThreadTimes>>,
}

impl ThreadShare {
    pub(crate) fn new(place: Place, meter: Meter) -> Self {
        let (spun, connections, prepared) = Default::default();
        Self { place, meter, spun, connections, prepared }
    }

    /// Returns the meter that all bodies of the thread pass.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the counter of the time that the receptions of the thread spend on busy-polling.
    pub fn spin_time(&self) -> &SpinTime {
        &self.spun
    }

    /// Counts a connection that the thread carries.
    pub fn carry_connection(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    /// Notes the times that the thread has used so far. Later calls have no effect.
    pub(crate) fn prepare(&self) {
        self.prepared.get_or_init(|| self.place.id.and_then(ThreadId::times));
    }

    /// Returns the times that the thread has used since its preparation.
    pub(crate) fn used(&self) -> Option<ThreadTimes> {
        let then = self.prepared.get().copied().flatten()?;
        Some(self.place.id?.times()?.since(then))
    }

    pub(crate) fn record(&self) -> ThreadRecord {
        let mut record = ThreadRecord::default();
        record.core = self.place.core.map(|core| core as u64);
        (record.connections, record.bytes) = (self.connections.load(Relaxed), self.meter.bytes());
        record.cpu_s = self.used().map(|used| used.cpu.as_secs_f64());
        record
    }
}

/// Returns the longest run delay of any thread, since the slowest thread determines the end of a transfer. `None` if
/// the run delay of every thread is unknown.
pub(crate) fn run_delay<'a>(shares: impl IntoIterator<Item = &'a ThreadShare>) -> Option<Duration> {
    shares.into_iter().filter_map(|share| Some(share.used()?.run_delay)).max()
}
