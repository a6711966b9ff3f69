//! The receive window of a connection whose size changes while bodies are received.
//!
//! A sender needs room in the connection's window and in that of its stream (RFC 9113 section 5.2.1). The connection's
//! window is never larger than those of streams, so it alone bounds the sender and has to change. WINDOW_UPDATE frames
//! on the connection change it without a round trip of SETTINGS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::bandwidth_delay::{BandwidthDelay, Sample};
use crate::{
    session::CloseSignal,
    window_budget::{Window, WindowBudget},
};

/// The least time of a sample. A round trip on loopback takes 0.1 ms, in which a body moves by nothing or by a whole
/// frame. With one sample per round trip, some samples had a bandwidth that the connection never reached again: one of
/// six windows stayed at 128 KiB, with half of the goodput.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(2);

/// The window of a connection that opens as bodies are read. Only bytes that their readers have taken open it.
#[derive(Debug)]
pub(super) struct Opening {
    window: Window,
    growth: Growth,
    /// The size in bytes that the window has grown to; 0 once that size is in force.
    grown: AtomicU32,
    /// Wakes the task that drives the connection.
    wake: CloseSignal,
}

/// The cause for which a window grows.
#[derive(Debug)]
enum Growth {
    /// A whole window has passed.
    Passing,
    /// The path carries more in a round trip than the window admits (`--h2-window auto`).
    Path(Released),
}

/// The bytes of bodies that their readers have taken.
#[derive(Debug, Default)]
struct Released {
    bytes: AtomicU64,
    more: Notify,
}

impl Opening {
    /// Returns a window that doubles whenever a whole window of bytes has passed.
    pub(super) fn by_passing(window: Window, wake: CloseSignal) -> Self {
        Self { window, growth: Growth::Passing, grown: AtomicU32::new(0), wake }
    }

    /// Returns a window that [`Opening::follow_path`] opens.
    pub(super) fn by_path(window: Window, wake: CloseSignal) -> Self {
        Self { window, growth: Growth::Path(Released::default()), grown: AtomicU32::new(0), wake }
    }

    /// Returns the size now, in bytes.
    pub(super) fn size(&self) -> u32 {
        self.window.size()
    }

    /// Counts bytes of bodies that were read. The window may grow.
    pub(super) fn taken(&self, bytes: usize) {
        match &self.growth {
            Growth::Passing => self.announce(self.window.take(bytes)),
            Growth::Path(released) => {
                released.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
                released.more.notify_one();
            }
        }
    }

    /// Returns the size in bytes that the connection's window has grown to and that is not in force yet.
    pub(super) fn grown(&self) -> Option<u32> {
        Some(self.grown.swap(0, Ordering::Relaxed)).filter(|size| *size > 0)
    }

    /// Waits until the connection's window has grown, or the connection is to be closed.
    pub(super) async fn notified(&self) {
        self.wake.notified().await;
    }

    fn announce(&self, grown: Option<u32>) {
        if let Some(size) = grown {
            self.grown.store(size, Ordering::Relaxed);
            self.wake.wake();
        }
    }

    /// Opens the window as the path needs, until the connection ends. Does nothing to a window made by
    /// [`Opening::by_passing`].
    ///
    /// Samples are taken while bodies are read, one PING at a time. A connection at rest is not pinged.
    pub(super) async fn follow_path(self: Arc<Self>, mut pings: PingPong) {
        let Growth::Path(released) = &self.growth else { return };
        let mut estimate = BandwidthDelay::new(self.window.most());
        loop {
            released.more.notified().await;
            let Ok(sample) = released.sample(&mut pings).await else { return };
            if let Some(needed) = estimate.observe(self.window.size(), sample) {
                self.announce(self.window.grow_to(needed));
            }
            sleep(estimate.pause()).await;
        }
    }
}

impl Released {
    fn total(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns a sample over as many round trips as fit in [`SHORTEST_SAMPLE`], and at least one.
    ///
    /// # Errors
    /// Fails once the connection has ended.
    async fn sample(&self, pings: &mut PingPong) -> Result<Sample, h2::Error> {
        let (first, begun) = (self.total(), Instant::now());
        let (mut before, mut most, mut round_trips) = (first, 0, 0_u32);
        loop {
            pings.ping(Ping::opaque()).await?;
            let (now, elapsed) = (self.total(), begun.elapsed());
            round_trips = round_trips.saturating_add(1);
            most = most.max(now.saturating_sub(before));
            before = now;
            if elapsed >= SHORTEST_SAMPLE {
                let bandwidth = now.saturating_sub(first) as f64 / elapsed.as_secs_f64();
                return Ok(Sample { released: most, bandwidth, round_trip: elapsed / round_trips });
            }
        }
    }
}

/// Returns a window that may grow up to `bound` bytes, from the shared budget if there is one.
pub(super) fn window(shared: Option<&WindowBudget>, bound: u32) -> Window {
    match shared {
        Some(budget) => Window::new(budget, bound),
        None => Window::new(&WindowBudget::new(bound.into()), bound),
    }
}
