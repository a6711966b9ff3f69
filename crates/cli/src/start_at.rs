//! The common start of several senders: a time on the wall clock, which each of them awaits by its own clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{exit::Usage, output::note};

/// The longest wait. A later time more likely means that a clock is wrong, by an hour or a time zone.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// The longest delay after the time. A sender that is later than this was stopped, or its clock was set.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_secs(1);

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
    /// Fails if the clock shows a later time at the end.
    pub(crate) async fn wait(self) -> anyhow::Result<()> {
        while let Some(left) = self.left(Timestamp::now()) {
            tokio::time::sleep(left.min(LOOK)).await;
        }
        let now = Timestamp::now();
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
}
