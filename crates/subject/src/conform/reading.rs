//! The reader of one body, which may be slow or stand still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;
use metrics::Stamp;
use payload::{Digest, Hasher};
use tokio::time::{sleep, timeout};
use transport::Body;

use super::trouble::Trouble;

/// The rate of a slow reader, in bytes per second, and the time for which it is slow.
pub(super) const SLOW: (u64, Duration) = (16 << 20, Duration::from_secs(5));

/// The shortest sleep of a slow reader: timers of tokio have a resolution of 1 ms, and pieces may be small.
const TICK: Duration = Duration::from_millis(2);

/// A body that is being read.
pub(super) struct Reading {
    body: Body,
    hasher: Hasher,
    bytes: u64,
    count: Arc<AtomicU64>,
    has_ended: bool,
    /// The time without a byte after which the body counts as stalled.
    patience: Duration,
}

impl Reading {
    /// Begins to read a body. `count` counts the bytes that were read.
    pub(super) fn of(body: Body, patience: Duration, count: &Arc<AtomicU64>) -> Self {
        Self { body, hasher: Hasher::new(), bytes: 0, count: count.clone(), has_ended: false, patience }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the digest of the bytes that were read.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// Reads until at least `bytes` bytes have arrived since the start of the body, or until its end.
    pub(super) async fn up_to(&mut self, bytes: u64) -> Result<(), Trouble> {
        while self.bytes < bytes && !self.has_ended {
            self.next().await?;
        }
        Ok(())
    }

    /// Reads at `rate`, in bytes per second, for `time` or until the end of the body.
    pub(super) async fn at_rate(&mut self, rate: u64, time: Duration) -> Result<(), Trouble> {
        let began = Stamp::now();
        while began.elapsed() < time && !self.has_ended {
            self.next().await?;
            let due = Duration::from_secs_f64(self.bytes as f64 / rate.max(1) as f64);
            let ahead = due.saturating_sub(began.elapsed());
            if ahead >= TICK {
                sleep(ahead).await;
            }
        }
        Ok(())
    }

    /// Reads the rest of the body.
    pub(super) async fn rest(&mut self) -> Result<(), Trouble> {
        self.up_to(u64::MAX).await
    }

    async fn next(&mut self) -> Result<(), Trouble> {
        let frame = timeout(self.patience, self.body.frame()).await.map_err(|_| {
            let seconds = self.patience.as_secs_f64();
            Trouble::stalled(format!("no byte came for {seconds} s, after {} bytes", self.bytes))
        })?;
        match frame {
            Some(Ok(frame)) => self.take(&frame),
            Some(Err(error)) => {
                return Err(Trouble::died(format!("broke off after {} bytes: {error}", self.bytes)));
            }
            None => self.has_ended = true,
        }
        Ok(())
    }

    fn take(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.hasher.update(data);
            self.bytes = self.bytes.saturating_add(data.len() as u64);
            self.count.fetch_add(data.len() as u64, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use analyse::Conduct;

    use super::*;
    use crate::conform::script::{Script, payload};

    #[tokio::test(start_paused = true)]
    async fn a_reader_counts_digests_and_waits_no_longer_than_its_patience() {
        let count = Arc::default();
        let read = |script: Script| Reading::of(script.body(), Duration::from_secs(5), &count);
        let mut whole = read(Script::of(300_000, &Arc::default()));
        whole.up_to(1).await.unwrap();
        assert_eq!(whole.bytes(), 65_536);
        whole.rest().await.unwrap();
        assert_eq!(Some(whole.digest()), payload().digest(300_000));
        assert_eq!((whole.bytes(), count.load(Relaxed)), (300_000, 300_000));
        let (stopped, _gate) = Script::of(300_000, &Arc::default()).stopping_after(65_536);
        let trouble = read(stopped).rest().await.unwrap_err();
        assert_eq!(trouble.conduct, Conduct::Stalled);
        let broken = read(Script::of(300_000, &Arc::default()).breaking_after(65_536)).rest().await;
        assert_eq!(broken.unwrap_err().conduct, Conduct::Died);
    }
}
