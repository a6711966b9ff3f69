//! The common start of several senders: a time on the wall clock, which each of them awaits by its own clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{exit::Usage, output::note};

/// The longest wait. A later time more likely means that a clock is wrong, by an hour or a time zone.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// The longest delay after the time. A sender that is later than this was stopped, or its clock was set.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(1);

/// The largest change of the clock during the wait. Daemons that keep clocks synchronised adjust them by less.
const LARGEST_CHANGE: SignedDuration = SignedDuration::from_secs(1);

/// The time between two looks at the clock, which can be set during the wait.
const LOOK: Duration = Duration::from_secs(1);

/// A time at which a transfer starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartAt(Timestamp);

impl StartAt {
    /// Parses a time of RFC 3339.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let unusable = |_| format!("'{text}' is not a time; use for example 2026-01-31T12:00:00Z");
        text.parse().map(Self).map_err(unusable)
    }

    /// Checks that the time is ahead, and near. A sender that is late must not take part.
    ///
    /// # Errors
    /// Fails with the time of both clocks.
    pub(crate) fn check(self, now: Timestamp) -> Result<(), Usage> {
        let ahead = self.0.duration_since(now);
        let (start, now) = (self.0, clock(now));
        if ahead.is_negative() {
            let late = spoken(ahead);
            return Err(Usage::new(format!(
                "--start-at {start} passed {late} ago: the clock of this machine says {now}; use a later time, or set the clock"
            )));
        }
        if ahead > LONGEST_WAIT {
            let (ahead, most) = (spoken(ahead), LONGEST_WAIT.as_mins());
            return Err(Usage::new(format!(
                "--start-at {start} is {ahead} ahead: the clock of this machine says {now}; use a time within {most} \
                 minutes, or set the clock"
            )));
        }
        Ok(())
    }

    /// Waits until the clock of this machine shows the time. The caller has [checked](Self::check) it.
    ///
    /// # Errors
    /// Fails if the clock is set meanwhile, or shows a later time at the end.
    pub(crate) async fn wait(self) -> anyhow::Result<()> {
        self.wait_by(Timestamp::now).await
    }

    async fn wait_by(self, wall_clock: impl Fn() -> Timestamp) -> anyhow::Result<()> {
        let (began, began_at) = (Instant::now(), wall_clock());
        loop {
            let now = wall_clock();
            self.check_steady(now.duration_since(began_at), began.elapsed(), now)?;
            match self.left(now) {
                Some(left) => tokio::time::sleep(left.min(LOOK)).await,
                None => return self.check_delay(now),
            }
        }
    }

    /// Checks that the clock has shown as much time to pass as has `passed`.
    fn check_steady(self, shown: SignedDuration, passed: Duration, now: Timestamp) -> anyhow::Result<()> {
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let change = shown.saturating_sub(passed);
        if change.abs() <= LARGEST_CHANGE {
            return Ok(());
        }
        let direction = if change.is_negative() { "back" } else { "forward" };
        let (start, change, now) = (self.0, spoken(change), clock(now));
        anyhow::bail!(
            "--start-at {start}: the clock of this machine was set {direction} by {change} during the wait, and says {now}"
        )
    }

    /// Checks that the time has not passed for long.
    fn check_delay(self, now: Timestamp) -> anyhow::Result<()> {
        let late = now.duration_since(self.0);
        if late <= LONGEST_DELAY {
            return Ok(());
        }
        let (start, late, now) = (self.0, spoken(late), clock(now));
        anyhow::bail!(
            "--start-at {start} passed {late} ago: the clock of this machine says {now}; it was set during the wait, or \
             the program was stopped"
        )
    }

    /// Prints the time that is awaited.
    pub(crate) fn announce(self) {
        note(&format!(
            "the transfer starts at {}, in {}",
            self.0,
            spoken(self.0.duration_since(Timestamp::now()))
        ));
    }

    /// Returns the rest of the wait; `None` if the time has come.
    fn left(self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(self.0.duration_since(now)).ok().filter(|left| !left.is_zero())
    }
}

/// Returns the time of a clock, to the millisecond.
fn clock(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Returns a distance in time, in seconds.
fn spoken(distance: SignedDuration) -> String {
    format!("{:.1} s", distance.abs().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(start: &str, now: &str) -> Result<(), String> {
        StartAt::parse(start).unwrap().check(now.parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_is_one_of_rfc_3339() {
        assert!(StartAt::parse("2026-11-28T12:00:00Z").is_ok());
        assert!(StartAt::parse("2026-11-28T12:00:00.25+02:00").is_ok());
        for text in ["", "12:00", "2026-11-28", "2026-11-28T12:00:00", "+10s", "soon"] {
            let error = StartAt::parse(text).unwrap_err();
            assert!(error.contains(&format!("'{text}' is not a time; use for example 2")), "{error}");
        }
    }

    #[test]
    fn a_start_is_at_most_ten_minutes_ahead_and_never_over() {
        let start = "2026-11-28T12:00:00Z";
        assert_eq!(checked(start, "2026-11-28T11:50:00Z"), Ok(()));
        assert_eq!(checked(start, start), Ok(()));
        assert_eq!(
            checked(start, "2026-11-28T12:00:00.25Z").unwrap_err(),
            "--start-at 2026-11-28T12:00:00Z passed 0.2 s ago: the clock of this machine says 2026-11-28T12:00:00.250Z; use a \
             later time, or set the clock"
        );
        assert_eq!(
            checked(start, "2026-11-28T11:00:00Z").unwrap_err(),
            "--start-at 2026-11-28T12:00:00Z is 3600.0 s ahead: the clock of this machine says 2026-11-28T11:00:00.000Z; use a \
             time within 10 minutes, or set the clock"
        );
    }
    /// Waits for a start 8 s ahead by a clock that is set by `change` after 2 s. Returns the time of the wait in seconds, and
    /// the error.
    async fn waited(change: SignedDuration) -> (u64, Option<String>) {
        let (began, first) = (Instant::now(), "2026-11-28T12:00:00Z".parse::<Timestamp>().unwrap());
        let wall_clock = || {
            let passed = SignedDuration::try_from(began.elapsed()).unwrap();
            let is_set = passed >= SignedDuration::from_secs(2);
            first + passed + if is_set { change } else { SignedDuration::ZERO }
        };
        let waiting = StartAt::parse("2026-11-28T12:00:08Z").unwrap().wait_by(wall_clock);
        let outcome = tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the wait ends");
        (began.elapsed().as_secs(), outcome.err().map(|error| error.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_during_the_wait_ends_it() {
        let (seconds, error) = waited(SignedDuration::from_hours(-1)).await;
        assert!(seconds <= 3, "{seconds}");
        assert_eq!(
            error.unwrap(),
            "--start-at 2026-11-28T12:00:08Z: the clock of this machine was set back by 3600.0 s during the wait, and says \
             2026-11-28T11:00:02.000Z"
        );
        for (change, part) in [(5, "forward by 5.0 s"), (20, "forward by 20.0 s"), (-2, "back by 2.0 s")] {
            let (seconds, error) = waited(SignedDuration::from_secs(change)).await;
            assert!(seconds <= 3 && error.as_ref().is_some_and(|error| error.contains(part)), "{error:?}");
        }
        for (change, expected) in [(0, 8), (1000, 7), (-1000, 9)] {
            assert_eq!(waited(SignedDuration::from_millis(change)).await, (expected, None));
        }
    }
}
