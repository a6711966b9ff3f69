//! The live view: one line for the running case, on stderr.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use metrics::Stamp;

use super::executor::Observer;
use crate::{
    case::Case,
    record::{End, Outcome, Record},
    report::{gbit_per_s, mib, mib_per_s},
};

/// How often the line is redrawn at most, per second.
const REDRAWS: u8 = 4;

/// Shows how runs go on: a line that changes on a terminal, a line a finished run elsewhere.
pub(super) struct LiveView {
    mode: Mode,
    runs: u64,
    finished: u64,
    title: String,
    received: Option<(Stamp, u64)>,
    goodput: Option<f64>,
    rss: [Option<u64>; 2],
}

enum Mode {
    Live(ProgressBar),
    Lines,
    Quiet,
}

impl LiveView {
    /// A view of `runs` runs.
    pub(super) fn new(quiet: bool, runs: u64) -> Self {
        let mode = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, false) => Mode::Lines,
            (false, true) => Mode::Live(bar()),
        };
        Self { mode, runs, finished: 0, title: String::new(), received: None, goodput: None, rss: [None; 2] }
    }

    /// Whether the line is being redrawn.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live(_))
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        if let Mode::Live(bar) = &self.mode {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, case: &Case) {
        let Mode::Live(bar) = &self.mode else { return };
        let received = self.received.map_or(0, |(_, bytes)| bytes);
        let percent = 100 * received / case.total_bytes().max(1);
        let goodput = self.goodput.map_or("-".into(), |rate| format!("{:.0} MiB/s", mib_per_s(rate)));
        let rss = self.rss.map(|rss| rss.map_or("-".into(), |bytes| format!("{:.1}", mib(bytes))));
        let [sender, receiver] = rss;
        bar.set_message(format!(
            "{} {percent:>3} % {goodput:>10}  RSS {sender} / {receiver} MiB",
            self.title
        ));
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS));
    bar.with_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Observer for LiveView {
    fn started(&mut self, case: &Case, round: u32) {
        self.title = format!("[{}/{}] {} round {}", self.finished + 1, self.runs, case.name(), round + 1);
        (self.received, self.goodput, self.rss) = (None, None, [None; 2]);
        self.draw(case);
    }

    fn progress(&mut self, case: &Case, end: End, bytes: u64, rss_bytes: Option<u64>) {
        match end {
            End::Sender => self.rss[0] = rss_bytes,
            End::Receiver => {
                self.rss[1] = rss_bytes;
                let now = Stamp::now();
                if let Some((then, before)) = self.received {
                    let elapsed = now.since(then).max(Duration::from_millis(1));
                    self.goodput = Some(bytes.saturating_sub(before) as f64 / elapsed.as_secs_f64());
                }
                self.received = Some((now, bytes));
            }
        }
        self.draw(case);
    }

    fn finished(&mut self, record: &Record) {
        self.finished += 1;
        if !matches!(self.mode, Mode::Lines) {
            return;
        }
        let outcome = match (record.outcome, record.goodput_bytes_per_s, &record.error) {
            (Outcome::Ok, Some(rate), _) => {
                format!("{:.0} MiB/s, {:.2} Gbit/s", mib_per_s(rate), gbit_per_s(rate))
            }
            (_, _, Some(fault)) => format!("failed: {}", fault.message),
            _ => "no goodput".into(),
        };
        eprintln!("{} {outcome}", self.title);
    }
}
