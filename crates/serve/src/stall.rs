//! The watch over transfers: each ends, or is aborted once its client has used up its credit of time.

use std::{fmt, mem, time::Duration};

use metrics::Meter;
use record::ByteSize;
use tokio::time::{interval, sleep};

use crate::{
    delivery::Delivery,
    patience::{Credit, Moved, Patience},
};

/// The error of a transfer that was aborted because its client was too slow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stalled {
    idle: Duration,
    min_rate: Option<u64>,
}

impl Stalled {
    fn by(patience: Patience) -> Self {
        Self { idle: patience.idle, min_rate: patience.min_rate.map(|rate| rate.bytes_per_s()) }
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.idle.as_secs_f64();
        match self.min_rate {
            Some(rate) => write!(f, "less than {} a second came for {seconds} s", ByteSize(rate)),
            None => write!(f, "no byte came for {seconds} s"),
        }
    }
}

/// Runs an upload to its end, or aborts it once its client has sent too little. Time in which this end `is_busy` does
/// not count: a slow disk is not the client's fault.
///
/// # Errors
/// Fails if the client stalled.
pub(crate) async fn unless_sender_stalls<T>(
    patience: Patience,
    meter: &Meter,
    is_busy: impl Fn() -> bool,
    upload: impl Future<Output = T>,
) -> Result<T, Stalled> {
    let stall = async {
        let (mut credit, mut looks, mut seen) = (Credit::new(patience), interval(patience.look()), 0);
        loop {
            looks.tick().await;
            let bytes = meter.bytes();
            if is_busy() {
                credit.pause();
            }
            if credit.spend(Moved::Body(bytes - mem::replace(&mut seen, bytes))).is_zero() {
                return;
            }
        }
    };
    unless(stall, upload).await.ok_or_else(|| Stalled::by(patience))
}

/// Runs a download to its end, or aborts it once its client has taken too little. Chunks of this body count, and so
/// does its share of the bytes that the connection has delivered.
///
/// # Errors
/// Fails if the client stalled.
pub(crate) async fn unless_reader_stalls<T>(
    patience: Patience,
    meter: &Meter,
    delivery: &Delivery<'_>,
    download: impl Future<Output = T>,
) -> Result<T, Stalled> {
    let stall = async {
        let (mut credit, mut pulled, mut delivered) = (Credit::new(patience), 0, delivery.bytes());
        let mut looks = interval(patience.look());
        loop {
            looks.tick().await;
            let (bytes, all) = (meter.bytes(), delivery.bytes());
            let own = bytes - mem::replace(&mut pulled, bytes);
            let shared = delivery.share(all.saturating_sub(mem::replace(&mut delivered, all)));
            let moved = if own > 0 { Moved::Body(own.max(shared)) } else { Moved::Connection(shared) };
            if credit.spend(moved).is_zero() {
                return;
            }
        }
    };
    unless(stall, download).await.ok_or_else(|| Stalled::by(patience))
}

/// Waits until a connection without requests has delivered too little.
pub(crate) async fn quiet(patience: Patience, delivery: &Delivery<'_>) {
    let (mut credit, mut delivered) = (Credit::new(patience), delivery.bytes());
    loop {
        let left = credit.spend(Moved::Connection(0));
        if left.is_zero() {
            return;
        }
        // The state of the connection is read only when its credit is used up.
        sleep(left).await;
        let all = delivery.bytes();
        credit.spend(Moved::Connection(all.saturating_sub(mem::replace(&mut delivered, all))));
    }
}

async fn unless<T>(stall: impl Future<Output = ()>, transfer: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        end = transfer => Some(end),
        () = stall => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use record::Rate;

    use super::*;
    use crate::delivery::tests::Fixed;

    fn patience(min_rate: Option<u64>) -> Patience {
        Patience {
            idle: Duration::from_millis(200),
            min_rate: min_rate.map(|rate| Rate::try_from(rate).unwrap()),
        }
    }

    /// Counts `bytes` on the meter every 50 ms, for 400 ms.
    async fn trickle(meter: &Meter, bytes: usize) {
        let mut flow = meter.flow();
        for _ in 0..8 {
            sleep(Duration::from_millis(50)).await;
            flow.pass(bytes);
        }
    }

    async fn upload(min_rate: Option<u64>, bytes: usize) -> Result<(), Stalled> {
        let meter = Meter::counting();
        unless_sender_stalls(patience(min_rate), &meter, || false, trickle(&meter, bytes)).await
    }

    #[tokio::test]
    async fn an_upload_below_the_least_rate_is_given_up() {
        let text = |stalled: Result<(), Stalled>| stalled.unwrap_err().to_string();
        assert_eq!(text(upload(None, 0).await), "no byte came for 0.2 s");
        assert_eq!(text(upload(Some(1024), 1).await), "less than 1KiB a second came for 0.2 s");
        assert_eq!(upload(None, 1).await, Ok(()));
        assert_eq!(upload(Some(1024), 1024).await, Ok(()));
    }

    #[tokio::test]
    async fn a_sink_that_takes_its_time_is_no_stalled_client() {
        let (meter, busy) = (Meter::counting(), Cell::new(true));
        let slow_sink = sleep(Duration::from_millis(600));
        let upload = unless_sender_stalls(patience(None), &meter, || busy.get(), slow_sink);
        assert_eq!(upload.await, Ok(()));
        busy.set(false);
        let stuck = unless_sender_stalls(patience(None), &meter, || busy.get(), pending::<()>());
        assert!(stuck.await.is_err());
    }

    #[tokio::test]
    async fn a_reader_that_takes_a_share_of_its_connection_is_waited_for() {
        let meter = Meter::counting();
        let still = Fixed::default();
        let still = Delivery::of(&still);
        assert!(unless_reader_stalls(patience(None), &meter, &still, pending::<()>()).await.is_err());
        let moving = Fixed::moving(Duration::from_millis(1), 1024);
        let delivery = Delivery::of(&moving);
        let slow = sleep(Duration::from_millis(600));
        assert_eq!(unless_reader_stalls(patience(Some(1024)), &meter, &delivery, slow).await, Ok(()));
        assert!(
            tokio::time::timeout(Duration::from_millis(600), quiet(patience(Some(1024)), &delivery))
                .await
                .is_err()
        );
        quiet(patience(Some(1024)), &still).await;
    }
}
