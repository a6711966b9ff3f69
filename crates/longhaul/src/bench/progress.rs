//! The live view: two lines for the running case, on stderr.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use metrics::Stamp;

use super::executor::Observer;
use crate::{
    budget::Budget,
    case::Case,
    instruments::Sign,
    record::{End, Outcome, Record},
    size::{gbit_per_s, mib, mib_per_s},
};

/// How often the lines are redrawn at most, per second.
const REDRAWS: u8 = 4;

/// The case, then how far it has come; 80 columns are enough for both.
const TEMPLATE: &str = "{prefix}\n  {bar:20} {percent:>3} %  {msg}";

/// Shows how runs go on: lines that change on a terminal, a line a finished run elsewhere.
pub(super) struct LiveView {
    mode: Mode,
    runs: u64,
    finished: u64,
    title: String,
    received: Option<(Stamp, u64)>,
    goodput: Option<f64>,
    sender: Held,
    receiver: Held,
}

enum Mode {
    Live(ProgressBar),
    Lines,
    Quiet,
}

/// What an end holds in memory, and what it may.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    rss: Option<u64>,
    allowed: Option<u64>,
}

impl LiveView {
    /// A view of `runs` runs.
    pub(super) fn new(quiet: bool, runs: u64) -> Self {
        let mode = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, false) => Mode::Lines,
            (false, true) => Mode::Live(bar()),
        };
        let (sender, receiver) = (Held::default(), Held::default());
        Self {
            mode,
            runs,
            finished: 0,
            title: String::new(),
            received: None,
            goodput: None,
            sender,
            receiver,
        }
    }

    /// Whether the lines are being redrawn.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live(_))
    }

    /// Takes the lines away.
    pub(super) fn finish(&self) {
        if let Mode::Live(bar) = &self.mode {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, case: &Case) {
        let Mode::Live(bar) = &self.mode else { return };
        bar.set_length(case.total_bytes());
        bar.set_position(self.received.map_or(0, |(_, bytes)| bytes));
        bar.set_prefix(self.title.clone());
        bar.set_message(self.message());
    }

    fn message(&self) -> String {
        let goodput = self.goodput.map_or("-".into(), |rate| format!("{:.0}", mib_per_s(rate)));
        format!("{goodput:>5} MiB/s  RSS {} and {} MiB", self.sender, self.receiver)
    }

    /// Goodput between this sign of the receiver and the one before.
    fn receive(&mut self, bytes: u64) {
        let now = Stamp::now();
        if let Some((then, before)) = self.received {
            let elapsed = now.since(then).max(Duration::from_millis(1));
            self.goodput = Some(bytes.saturating_sub(before) as f64 / elapsed.as_secs_f64());
        }
        self.received = Some((now, bytes));
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS);
    ProgressBar::with_draw_target(Some(0), target).with_style(style.progress_chars("█▌░"))
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |bytes: Option<u64>| bytes.map_or("-".into(), |bytes| format!("{:.1}", mib(bytes)));
        write!(f, "{} of {}", shown(self.rss), shown(self.allowed))
    }
}

impl Observer for LiveView {
    fn started(&mut self, case: &Case, round: u32) {
        self.title = format!("[{}/{}] {} round {}", self.finished + 1, self.runs, case.name(), round + 1);
        (self.received, self.goodput) = (None, None);
        (self.sender, self.receiver) = (Held::default(), Held::default());
        self.draw(case);
    }

    fn progress(&mut self, case: &Case, end: End, sign: Sign) {
        let allowed = sign.baseline_rss_bytes.map(|baseline| baseline + Budget::of(case, end).bytes());
        let held = Held { rss: sign.rss_bytes, allowed };
        match end {
            End::Sender => self.sender = held,
            End::Receiver => {
                self.receiver = held;
                self.receive(sign.bytes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::tests::plain;

    #[test]
    fn memory_stands_beside_what_is_allowed_and_the_line_fits_80_columns() {
        let (case, mut view) = (plain("h3"), LiveView::new(true, 24));
        view.started(&case, 0);
        let sign = Sign { bytes: 1 << 30, rss_bytes: Some(12 << 20), baseline_rss_bytes: Some(8 << 20) };
        view.progress(&case, End::Sender, sign);
        view.progress(&case, End::Receiver, sign);
        view.goodput = Some(12_345.0 * f64::from(1 << 20));
        let message = view.message();
        let allowed = mib((8 << 20) + Budget::of(&case, End::Receiver).bytes());
        assert!(message.ends_with(&format!("12.0 of {allowed:.1} MiB")), "{message}");
        // Two for the margin, the bar and its percentage.
        assert!(2 + 20 + 8 + message.chars().count() <= 80, "{message}");
    }
}
