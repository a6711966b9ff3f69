//! The progress of one transfer in lines, one for each interval of time (`--interval`).

use std::time::Duration;

use record::{gbit_per_s, mib, mib_per_s, three_digits};

/// The intervals of a transfer. Each ends with the first report on progress after its time, so it is up to a quarter of a
/// second longer.
#[derive(Debug)]
pub(crate) struct Intervals {
    length: Duration,
    /// The time of the first report.
    first: Option<Duration>,
    /// The end of the last interval, with the bytes that had moved.
    last: Option<(Duration, u64)>,
}

impl Intervals {
    /// Creates intervals of this length, before the first report.
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, first: None, last: None }
    }

    /// Begins another transfer.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.length);
    }

    /// Takes a report on the bytes that have moved until `now`, a time since any fixed moment. If the report ends an
    /// interval, returns the line of that interval.
    pub(crate) fn report(&mut self, now: Duration, bytes: u64) -> Option<String> {
        let first = *self.first.get_or_insert(now);
        let (last, before) = *self.last.get_or_insert((now, bytes));
        let elapsed = now.saturating_sub(last);
        if elapsed < self.length {
            return None;
        }
        self.last = Some((now, bytes));
        let [from, to] = [last, now].map(|end| end.saturating_sub(first).as_secs_f64());
        // Another try of a transfer begins with fewer bytes.
        let moved = bytes.saturating_sub(before);
        let rate = moved as f64 / elapsed.as_secs_f64();
        Some(format!(
            "{from:6.2} to {to:6.2} s  {:8.1} MiB  {:>6} MiB/s  {:>6} Gbit/s",
            mib(moved),
            three_digits(mib_per_s(rate)),
            three_digits(gbit_per_s(rate))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_after_the_time_of_an_interval_ends_it_with_the_bytes_since_the_last() {
        let mut intervals = Intervals::new(Duration::from_secs(1));
        let mut at = |ms: u64, mib: u64| intervals.report(Duration::from_millis(5000 + ms), mib << 20);
        assert_eq!((at(0, 0), at(750, 100)), (None, None));
        assert_eq!(at(1000, 128).unwrap(), "  0.00 to   1.00 s     128.0 MiB     128 MiB/s    1.07 Gbit/s");
        assert_eq!(at(1900, 200), None);
        assert_eq!(at(3000, 128).unwrap(), "  1.00 to   3.00 s       0.0 MiB       0 MiB/s       0 Gbit/s");
        intervals.restart();
        assert_eq!(intervals.report(Duration::from_secs(9), 1 << 30), None, "another transfer");
    }
}
