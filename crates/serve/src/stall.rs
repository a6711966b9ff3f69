//! The progress watch of a transfer.

use std::time::Duration;

use metrics::{Meter, Stamp};
use tokio::time::interval;

/// The interval at which the progress of a transfer is polled. A stall is detected at most this much too late.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The shortest interval for a timer: tokio refuses zero.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// A transfer that was aborted because no byte passed within the idle timeout.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no byte came for {} s", idle.as_secs_f64())]
pub(crate) struct Stalled {
    idle: Duration,
}

/// Runs a transfer to its end, and drops it once no byte has passed its meter for `idle`. The time in which this end
/// `is_busy` does not count: the peer is not to blame for a slow disk.
///
/// # Errors
/// The transfer stalled.
pub(crate) async fn unless_stalled<T>(
    meter: &Meter,
    is_busy: impl Fn() -> bool,
    idle: Duration,
    transfer: impl Future<Output = T>,
) -> Result<T, Stalled> {
    tokio::select! {
        biased;
        end = transfer => Ok(end),
        () = stall(meter, is_busy, idle) => Err(Stalled { idle }),
    }
}

/// Waits until no byte has passed the meter for `idle`, and this end was not busy.
async fn stall(meter: &Meter, is_busy: impl Fn() -> bool, idle: Duration) {
    let mut polls = interval(POLL_INTERVAL.min(idle).max(MIN_INTERVAL));
    let (mut seen, mut moved) = (meter.bytes(), Stamp::now());
    loop {
        polls.tick().await;
        let bytes = meter.bytes();
        if bytes != seen || is_busy() {
            (seen, moved) = (bytes, Stamp::now());
        } else if moved.elapsed() >= idle {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn a_transfer_without_progress_is_given_up_and_one_with_progress_is_not() {
        let (meter, idle) = (Meter::new(1), Duration::from_millis(200));
        let silent = unless_stalled(&meter, || false, idle, pending::<()>()).await.unwrap_err();
        assert_eq!(silent.to_string(), "no byte came for 0.2 s");
        let slow = async {
            for _ in 0..8 {
                sleep(Duration::from_millis(50)).await;
                meter.pass(1);
            }
        };
        assert_eq!(unless_stalled(&meter, || false, idle, slow).await, Ok(()));
    }

    #[tokio::test]
    async fn the_time_of_a_busy_sink_does_not_count() {
        let (meter, idle) = (Meter::new(1), Duration::from_millis(50));
        let slow = sleep(Duration::from_millis(400));
        assert_eq!(unless_stalled(&meter, || true, idle, slow).await, Ok(()));
    }

    #[tokio::test]
    async fn an_idle_timeout_of_zero_does_not_panic() {
        let meter = Meter::new(1);
        assert_eq!(unless_stalled(&meter, || false, Duration::ZERO, ready(1)).await, Ok(1));
        assert!(unless_stalled(&meter, || false, Duration::ZERO, pending::<()>()).await.is_err());
    }
}
