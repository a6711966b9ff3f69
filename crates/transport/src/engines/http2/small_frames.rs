//! A bound on the small DATA frames that wait to be read by bodies. Each frame takes an entry in h2's queue, which flow
//! control does not count. Without a bound, a window of one-byte frames takes a hundred times its size in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// The payload below which h2 counts a frame as small (DEFAULT_DATA_FRAME_OVERHEAD_THRESHOLD in its proto/mod.rs).
const SMALL: u32 = 256;

/// The number of waiting small frames from which a connection is not read any further. Their entries in the queue of h2
/// take about 64 KiB.
pub(super) const MOST: u32 = 256;

/// The small frames that wait on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct SmallFrames(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// The waiting frames of each stream whose body is alive.
    streams: HashMap<u32, u32>,
    total: u32,
    /// The reader that waits for the total to fall.
    reader: Option<Waker>,
}

impl Counts {
    fn less(&mut self, frames: u32) {
        self.total = self.total.saturating_sub(frames);
        if self.total < MOST
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl SmallFrames {
    /// Counts the frames of a stream from now on. A client counts from its request. At a server, few frames arrive
    /// before, since a request is accepted as soon as its head is read.
    pub(super) fn stream(&self, id: u32) -> Waiting {
        self.lock().streams.insert(id, 0);
        Waiting { counts: self.clone(), id }
    }

    /// Counts a frame that was read, if it is small.
    pub(super) fn arrived(&self, id: u32, payload: u32) {
        if !(1..SMALL).contains(&payload) {
            return;
        }
        let counts = &mut *self.lock();
        if let Some(frames) = counts.streams.get_mut(&id) {
            *frames = frames.saturating_add(1);
            counts.total = counts.total.saturating_add(1);
        }
    }

    /// Waits until the connection may be read.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let counts = &mut *self.lock();
        if counts.total < MOST {
            return Poll::Ready(());
        }
        counts.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waiting frames of one stream. Dropping the value forgets the frames, as h2 does.
#[derive(Debug)]
pub(super) struct Waiting {
    counts: SmallFrames,
    id: u32,
}

impl Waiting {
    /// Subtracts a frame with `length` bytes of payload, which was read, if it is small.
    pub(super) fn taken(&self, length: usize) {
        if length >= SMALL as usize {
            return;
        }
        let counts = &mut *self.counts.lock();
        if let Some(frames) = counts.streams.get_mut(&self.id).filter(|frames| **frames > 0) {
            *frames -= 1;
            counts.less(1);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let counts = &mut *self.counts.lock();
        let frames = counts.streams.remove(&self.id).unwrap_or_default();
        counts.less(frames);
    }
}
