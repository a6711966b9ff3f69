//! Readers of downloads.

use std::{sync::Arc, time::Duration};

use futures_util::future::{try_join, try_join_all};
use metrics::Stamp;
use record::Direction;
use tokio::time::sleep;
use transport::Connection;

use super::{BODIES, Near};
use crate::conform::{
    cases::Kind,
    reading::{Reading, SLOW},
    script::FIRST,
    trouble::{Seen, Trouble},
};

/// The rate of a reader that lags behind a large window, in bytes per second, and its time.
const LAGGING: (u64, Duration) = (32 << 20, Duration::from_secs(3));

/// The longest time for which several bodies stand still. A program that absorbs without a bound does so at once.
const STILL: Duration = Duration::from_secs(3);

impl Near<'_> {
    pub(super) async fn play_down(&self, kind: Kind) -> Seen {
        match kind {
            Kind::SlowReader => self.at_rate(SLOW).await,
            Kind::LargeWindow => self.at_rate(LAGGING).await,
            Kind::StalledReader => self.stalled_reader().await,
            Kind::GoneReader => self.gone_reader().await,
            Kind::OneStreamStalled => self.one_download_stalled().await,
            Kind::SharedWindow => self.shared_window().await,
            Kind::ResetMidway => self.downloads_reset().await,
            _ => Err(Trouble::not_applicable("it is about request bodies")),
        }
    }

    async fn at_rate(&self, (rate, time): (u64, Duration)) -> Seen {
        let line = self.line().await?;
        let mut reading = self.download(&line, self.body).await?;
        reading.at_rate(rate, time).await?;
        reading.rest().await?;
        self.check(&reading)
    }

    async fn stalled_reader(&self) -> Seen {
        let line = self.line().await?;
        let mut reading = self.download(&line, self.body).await?;
        reading.up_to(FIRST).await?;
        sleep(self.stall).await;
        match reading.rest().await {
            Ok(()) => self.check(&reading),
            Err(trouble) => ended_by_itself(trouble),
        }
    }

    async fn gone_reader(&self) -> Seen {
        for _ in 0..BODIES {
            let line = self.line().await?;
            self.download(&line, self.body).await?.up_to(FIRST).await?;
        }
        self.is_alive(Direction::Down).await?;
        Ok(None)
    }

    /// Stops reading one body, and reads the others to their ends. The stalled body must not hold up the others, which
    /// are smaller if the server gives any size.
    async fn one_download_stalled(&self) -> Seen {
        let share = self.share();
        let lines = self.lines(BODIES).await?;
        let Some((first, others)) = lines.split_first() else { return Ok(None) };
        let mut stalled = self.download(first, self.body).await?;
        stalled.up_to(1).await?;
        try_join_all(others.iter().map(|line| self.whole(line, share))).await.map_err(|trouble| Trouble {
            note: format!("a body beside one that stood still: {}", trouble.note),
            ..trouble
        })?;
        match stalled.rest().await {
            Ok(()) => self.check(&stalled),
            Err(trouble) => ended_by_itself(trouble),
        }
    }

    async fn shared_window(&self) -> Seen {
        let share = self.share();
        let lines = self.lines(BODIES).await?;
        // Over QUIC, heads need the window, too: some responses begin only when others are read.
        let began = Stamp::now();
        let still = STILL.min(self.stall);
        let delayed = async |line| {
            let mut reading = self.download(line, share).await?;
            sleep(still.saturating_sub(began.elapsed())).await;
            reading.rest().await?;
            self.check_size(&reading, share)
        };
        try_join_all(lines.iter().map(delayed)).await?;
        Ok(None)
    }

    /// Cancels several bodies. They must not harm another body on the same connection.
    async fn downloads_reset(&self) -> Seen {
        let line = self.line().await?;
        let cancelled = async {
            for _ in 0..BODIES {
                let line = if self.protocol.has_streams() { line.clone() } else { self.line().await? };
                self.download(&line, self.body).await?.up_to(FIRST).await?;
            }
            Ok(())
        };
        match self.protocol.has_streams() {
            true => drop(try_join(self.whole(&line, self.body), cancelled).await?),
            false => cancelled.await?,
        }
        self.is_alive(Direction::Down).await?;
        Ok(None)
    }

    async fn whole(&self, line: &Arc<dyn Connection>, size: u64) -> Result<(), Trouble> {
        let mut reading = self.download(line, size).await?;
        reading.rest().await?;
        self.check_size(&reading, size)
    }

    /// Returns the size of one of several bodies.
    fn share(&self) -> u64 {
        if self.endpoints.has_size() { self.body / BODIES as u64 } else { self.body }
    }

    fn check_size(&self, reading: &Reading, size: u64) -> Result<(), Trouble> {
        if reading.bytes() == size {
            return Ok(());
        }
        Err(Trouble::corrupted(format!("{} bytes came in place of {size}", reading.bytes())))
    }

    /// Checks the size of a large body, and keeps its digest.
    fn check(&self, reading: &Reading) -> Seen {
        self.digest.set(Some(reading.digest()));
        self.check_size(reading, self.body)?;
        Ok(None)
    }
}

/// Accepts that the program ended the transfer of a reader that stood still, with a remark.
fn ended_by_itself(trouble: Trouble) -> Seen {
    trouble
        .forgiven()
        .map(|note| note.map(|note| format!("the program ended the transfer by itself: {note}")))
}
