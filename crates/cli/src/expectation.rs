//! The expected runs of a session, and their time.

use std::{fmt, time::Duration};

use record::{Case, mib};
use run::nominal_time;

/// A number of runs, the bytes of their bodies, and their nominal time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expectation {
    runs: u64,
    bytes: u64,
    time: Duration,
}

impl Expectation {
    /// Returns the expectation of `rounds` rounds of `cases`.
    pub(crate) fn of(cases: &[Case], rounds: u32) -> Self {
        let one_round = cases.iter().map(nominal_time).fold(Duration::ZERO, Duration::saturating_add);
        let bytes = cases.iter().map(Case::total_bytes).fold(0, u64::saturating_add);
        Self {
            runs: cases.len() as u64 * u64::from(rounds),
            bytes: bytes.saturating_mul(rounds.into()),
            time: one_round.saturating_mul(rounds),
        }
    }

    /// Makes the runs take `factor` times as long.
    pub(crate) fn slower(self, factor: f64) -> Self {
        let time = Duration::try_from_secs_f64(self.time.as_secs_f64() * factor);
        Self { time: time.unwrap_or(Duration::MAX), ..self }
    }

    /// Adds the runs of `others`.
    pub(crate) fn and(self, others: Self) -> Self {
        Self {
            runs: self.runs + others.runs,
            bytes: self.bytes.saturating_add(others.bytes),
            time: self.time.saturating_add(others.time),
        }
    }

    /// Returns the number of runs.
    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }

    /// Returns the nominal time of all runs.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Formats the number of runs done, out of all runs.
    pub(crate) fn share(&self, done: usize) -> String {
        format!("{done} of {} runs", self.runs)
    }

    /// Returns the time left when runs of the nominal time `done` have taken `elapsed`. `None` if
    /// `done` is zero.
    pub(crate) fn left(&self, done: Duration, elapsed: Duration) -> Option<Duration> {
        let pace = elapsed.as_secs_f64() / done.as_secs_f64();
        let left = self.time.saturating_sub(done).as_secs_f64() * pace;
        Duration::try_from_secs_f64(left).ok()
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, bytes, time) = (self.runs, amount(self.bytes), rounded(self.time));
        let noun = if runs == 1 { "run" } else { "runs" };
        write!(f, "{runs} {noun}, {bytes} in all, about {time} on two cores")
    }
}

/// Formats a number of bytes in the unit in which it is above one.
fn amount(bytes: u64) -> String {
    match mib(bytes) {
        mib if mib < 1024.0 => format!("{mib:.0} MiB"),
        mib if mib < f64::from(1 << 20) => format!("{:.0} GiB", mib / 1024.0),
        mib => format!("{:.1} TiB", mib / f64::from(1 << 20)),
    }
}

/// Formats a time in words, with the precision of an estimate.
pub(crate) fn rounded(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes @ 1..10, seconds) => format!("{minutes} min {seconds} s"),
        (minutes, _) if minutes < 120 => format!("{minutes} min"),
        (minutes, _) => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_left_follows_the_pace_so_far() {
        let all = Expectation { runs: 10, bytes: 0, time: 100 * SECOND };
        assert_eq!(all.left(Duration::ZERO, SECOND), None);
        assert_eq!(all.left(25 * SECOND, 50 * SECOND), Some(150 * SECOND), "a machine of half the speed");
        assert_eq!(all.left(120 * SECOND, 60 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn expectations_add_up() {
        let cases = [Case::new("h2"), Case::new("h3")];
        let (once, twice) = (Expectation::of(&cases, 1), Expectation::of(&cases, 2));
        assert_eq!((once.runs, twice.runs, once.and(once).time), (2, 4, twice.time));
        assert!(twice.to_string().starts_with("4 runs, 8 GiB in all, about "), "{twice}");
        assert_eq!(once.slower(2.0).time.as_millis(), twice.time.as_millis());
        assert_eq!(twice.share(3), "3 of 4 runs");
    }

    #[test]
    fn an_amount_has_the_unit_that_fits() {
        let amounts = [1 << 20, 228 << 30, 432 << 30, 3 << 39].map(amount);
        assert_eq!(amounts, ["1 MiB", "228 GiB", "432 GiB", "1.5 TiB"]);
    }

    #[test]
    fn an_estimate_is_rounded() {
        let text = |seconds| rounded(Duration::from_secs(seconds));
        assert_eq!(
            [text(7), text(130), text(3599), text(7300)],
            ["7 s", "2 min 10 s", "59 min", "2 h 1 min"]
        );
    }
}
