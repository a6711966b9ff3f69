//! The expected runs of a session, and their time.

use std::{fmt, time::Duration};

use record::{Case, mib};
use run::nominal_time;

/// A number of runs, the bytes of their bodies, and their nominal time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expectation {
    runs: u64,
    bytes: u64,
    time: NominalTime,
}

/// The nominal time of runs, by what determines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NominalTime {
    /// The part that scales with the speed of the machine and of the programs.
    scaled: Duration,
    /// The part that the cases set: the delay by a limited rate, and the standstill of a reader.
    fixed: Duration,
}

impl NominalTime {
    /// Returns the nominal time of a run of `case`.
    pub(crate) fn of(case: &Case) -> Self {
        let mut unlimited = case.clone();
        (unlimited.reader_rate, unlimited.limit_rate, unlimited.reader_stall) = (None, None, None);
        let scaled = nominal_time(&unlimited);
        Self { scaled, fixed: nominal_time(case).saturating_sub(scaled) }
    }

    /// Returns the sum of both parts.
    pub(crate) fn total(self) -> Duration {
        self.scaled.saturating_add(self.fixed)
    }

    /// Adds another time.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            scaled: self.scaled.saturating_add(other.scaled),
            fixed: self.fixed.saturating_add(other.fixed),
        }
    }

    /// Multiplies both parts by `factor`.
    pub(crate) fn times(self, factor: f64) -> Self {
        let product = |time: Duration| Duration::try_from_secs_f64(time.as_secs_f64() * factor);
        Self {
            scaled: product(self.scaled).unwrap_or(Duration::MAX),
            fixed: product(self.fixed).unwrap_or(Duration::MAX),
        }
    }
}

impl Expectation {
    /// Returns the expectation of `rounds` rounds of `cases`.
    pub(crate) fn of(cases: &[Case], rounds: u32) -> Self {
        let one_round = cases.iter().map(NominalTime::of).fold(NominalTime::default(), NominalTime::and);
        let bytes = cases.iter().map(Case::total_bytes).fold(0, u64::saturating_add);
        Self {
            runs: cases.len() as u64 * u64::from(rounds),
            bytes: bytes.saturating_mul(rounds.into()),
            time: one_round.times(rounds.into()),
        }
    }

    /// Returns an expectation of `runs` runs of this nominal time.
    pub(crate) fn taking(runs: u64, time: NominalTime) -> Self {
        Self { runs, bytes: 0, time }
    }

    /// Makes the runs take `factor` times as long.
    pub(crate) fn slower(self, factor: f64) -> Self {
        Self { time: self.time.times(factor), ..self }
    }

    /// Adds the runs of `others`.
    pub(crate) fn and(self, others: Self) -> Self {
        Self {
            runs: self.runs + others.runs,
            bytes: self.bytes.saturating_add(others.bytes),
            time: self.time.and(others.time),
        }
    }

    /// Returns the number of runs.
    pub(crate) fn runs(&self) -> u64 {
        self.runs
    }

    /// Returns the nominal time of all runs.
    pub(crate) fn time(&self) -> Duration {
        self.time.total()
    }

    /// Formats the number of runs done, out of all runs.
    pub(crate) fn share(&self, done: usize) -> String {
        format!("{done} of {} runs", self.runs)
    }

    /// Returns the time left when runs of the nominal time `done` have taken `elapsed`. The pace of these runs applies
    /// to the part of their time that scales. `None` if that part of `done` is zero.
    pub(crate) fn left(&self, done: NominalTime, elapsed: Duration) -> Option<Duration> {
        let pace = elapsed.saturating_sub(done.fixed).as_secs_f64() / done.scaled.as_secs_f64();
        let scaled = self.time.scaled.saturating_sub(done.scaled).as_secs_f64() * pace;
        let fixed = self.time.fixed.saturating_sub(done.fixed);
        Duration::try_from_secs_f64(scaled + fixed.as_secs_f64()).ok()
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, bytes, time) = (self.runs, amount(self.bytes), rounded(self.time.total()));
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
        let time = |seconds| NominalTime { scaled: seconds * SECOND, fixed: Duration::ZERO };
        let all = Expectation::taking(10, time(100));
        assert_eq!(all.left(time(0), SECOND), None);
        assert_eq!(all.left(time(25), 50 * SECOND), Some(150 * SECOND), "a machine of half the speed");
        assert_eq!(all.left(time(120), 60 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn the_pace_of_fast_runs_does_not_stretch_limited_rates_and_standstills() {
        let of = |change: fn(&mut Case)| {
            let mut case = Case::new("h1c");
            change(&mut case);
            Expectation::of(&[case], 1)
        };
        let fast = of(|_| ());
        let others = [
            of(|case| case.reader_rate = "100MiB".parse().ok()),
            of(|case| case.limit_rate = "100MiB".parse().ok()),
            of(|case| case.reader_stall = Some(20 * SECOND)),
        ];
        let elapsed = 20 * fast.time();
        for other in others {
            let left = fast.and(other).left(fast.time, elapsed).unwrap();
            assert!(left <= elapsed + other.time(), "{left:?} of a run of {:?}", other.time());
            let none = fast.and(other).left(fast.and(other).time, elapsed + other.time());
            assert_eq!(none, Some(Duration::ZERO));
        }
    }

    #[test]
    fn expectations_add_up() {
        let cases = [Case::new("h2"), Case::new("h3")];
        let (once, twice) = (Expectation::of(&cases, 1), Expectation::of(&cases, 2));
        assert_eq!((once.runs, twice.runs, once.and(once).time), (2, 4, twice.time));
        assert!(twice.to_string().starts_with("4 runs, 8 GiB in all, about "), "{twice}");
        assert_eq!(once.slower(2.0).time, twice.time);
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
