//! The progress of one transfer on stderr, while the body moves.

use std::{cell::RefCell, time::Duration};

use client::Heartbeat;
use metrics::Stamp;
use record::{ByteSize, mib, mib_per_s, three_digits};

use crate::{
    expectation::rounded, flags::RemoteArgs, intervals::Intervals, output::stderr_line,
    status_lines::StatusLines,
};

/// The time between two lines where a line cannot be redrawn.
const PAUSE: Duration = Duration::from_secs(5);

/// The progress of a transfer: a line that is redrawn on a terminal, and a line every [`PAUSE`] elsewhere; or a line for
/// each interval that was asked for.
pub(super) struct Progress(RefCell<Shown>);

struct Shown {
    mode: Mode,
    /// The size of all bodies, if it is known.
    size: Option<ByteSize>,
    began: Stamp,
    /// The time of the last line, and the bytes that had moved by then.
    last: Option<(Stamp, u64)>,
}

enum Mode {
    Live(StatusLines),
    Lines,
    Intervals(Intervals),
    Quiet,
}

impl Progress {
    pub(super) fn new(args: &RemoteArgs, size: Option<ByteSize>) -> Self {
        let mode = match args.interval {
            Some(length) => Mode::Intervals(Intervals::new(length)),
            None if args.quiet || args.json => Mode::Quiet,
            None => StatusLines::on_stderr().map_or(Mode::Lines, Mode::Live),
        };
        Self(RefCell::new(Shown { mode, size, began: Stamp::now(), last: None }))
    }

    pub(super) fn show(&self, heartbeat: Heartbeat) {
        self.0.borrow_mut().show(heartbeat);
    }

    pub(super) fn finish(&self) {
        if let Mode::Live(status) = &mut self.0.borrow_mut().mode {
            status.clear();
        }
    }
}

impl Shown {
    fn show(&mut self, heartbeat: Heartbeat) {
        if let Mode::Intervals(intervals) = &mut self.mode {
            let ended = intervals.report(self.began.elapsed(), heartbeat.bytes);
            ended.iter().for_each(|line| stderr_line(format_args!("{line}")));
            return;
        }
        let now = Stamp::now();
        let since = self.last.map_or(self.began, |(last, _)| last);
        let is_due = match &self.mode {
            Mode::Live(status) => status.is_due(),
            Mode::Lines => now.since(since) >= PAUSE,
            Mode::Intervals(_) | Mode::Quiet => false,
        };
        if !is_due {
            return;
        }
        // A resumed transfer does not begin at zero, so there is no rate before the second heartbeat.
        let rate = self.last.map(|(last, before)| {
            heartbeat.bytes.saturating_sub(before) as f64 / now.since(last).as_secs_f64().max(1e-3)
        });
        self.last = Some((now, heartbeat.bytes));
        let line = line(heartbeat, self.size, rate, self.began.elapsed());
        match &mut self.mode {
            Mode::Live(status) => status.draw(&[line]),
            Mode::Lines => stderr_line(format_args!("{line}")),
            Mode::Intervals(_) | Mode::Quiet => {}
        }
    }
}

/// Returns the share that has moved, the bytes, the rate, the elapsed time, the time left at that rate, and resident
/// memory.
fn line(heartbeat: Heartbeat, size: Option<ByteSize>, rate: Option<f64>, elapsed: Duration) -> String {
    let Heartbeat { bytes, rss_bytes, .. } = heartbeat;
    let moved = match size {
        Some(ByteSize(all)) => {
            let percent = 100.0 * bytes as f64 / all.max(1) as f64;
            format!("{percent:3.0} %  {:.1} of {:.1} MiB", mib(bytes), mib(all))
        }
        None => format!("{:.1} MiB", mib(bytes)),
    };
    let speed = rate.map_or_else(|| "-".into(), |rate| three_digits(mib_per_s(rate)));
    let left = size.zip(rate.filter(|rate| *rate > 0.0)).and_then(|(size, rate)| {
        Duration::try_from_secs_f64(size.0.saturating_sub(bytes) as f64 / rate).ok()
    });
    let left = left.map_or_else(String::new, |left| format!(", {} left", rounded(left)));
    let rss = rss_bytes.map_or_else(String::new, |rss| format!("  RSS {:.1} MiB", mib(rss)));
    format!("{moved}  {speed} MiB/s  {}{left}{rss}", rounded(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_moved_its_rate_and_the_time_left() {
        let heartbeat = Heartbeat { bytes: 256 << 20, rss_bytes: Some(9 << 20), baseline_rss_bytes: None };
        let rate = Some(64.0 * f64::from(1 << 20));
        let second = Duration::from_secs(1);
        assert_eq!(
            line(heartbeat, Some(ByteSize(1 << 30)), rate, 4 * second),
            " 25 %  256.0 of 1024.0 MiB  64.0 MiB/s  4 s, 12 s left  RSS 9.0 MiB"
        );
        assert_eq!(line(heartbeat, None, None, second), "256.0 MiB  - MiB/s  1 s  RSS 9.0 MiB");
    }
}
