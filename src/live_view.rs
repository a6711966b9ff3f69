//! The live view of running cases, on stderr.

use std::{
    fmt,
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use metrics::Stamp;
use record::{ByEnd, Case, End, Record, gbit_per_s, mib, mib_per_s};
use run::{Budget, Heartbeat, Observer, nominal_time};

use crate::expectation::{Expectation, rounded};

/// The most redraws per second.
const REDRAWS: u8 = 4;

/// The template of the view: a line with the case, then a line with its progress. Both fit [`COLUMNS`].
const TEMPLATE: &str = "{prefix}\n  {bar:20} {percent:>3} %  {msg}";

/// The terminal width that both lines fit. A wrapped line would stay behind when it is redrawn.
const COLUMNS: usize = 80;

/// A view of running cases: two lines that change on a terminal, one line per finished run elsewhere.
pub(crate) struct LiveView {
    mode: Mode,
    expected: Expectation,
    began: Stamp,
    finished: u64,
    /// The nominal time of the finished runs.
    done: Duration,
    title: String,
    /// The program of someone else in the running case.
    peer: Option<String>,
    received: Option<(Stamp, u64)>,
    goodput: Option<f64>,
    memory: ByEnd<EndMemory>,
}

enum Mode {
    Live(ProgressBar),
    Lines,
    Quiet,
}

/// The memory of an end and its upper bound, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct EndMemory {
    rss: Option<u64>,
    allowed: Option<u64>,
}

impl LiveView {
    /// Returns a view of about the `expected` runs.
    pub(crate) fn of(expected: Expectation) -> Self {
        Self::new(if io::stderr().is_terminal() { Mode::Live(bar()) } else { Mode::Lines }, expected)
    }

    /// Returns a view that shows nothing.
    pub(crate) fn quiet() -> Self {
        Self::new(Mode::Quiet, Expectation::default())
    }

    fn new(mode: Mode, expected: Expectation) -> Self {
        Self {
            mode,
            expected,
            began: Stamp::now(),
            finished: 0,
            done: Duration::ZERO,
            title: String::new(),
            peer: None,
            received: None,
            goodput: None,
            memory: ByEnd::default(),
        }
    }

    /// Returns whether lines are redrawn.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live(_))
    }

    /// Removes the lines that are redrawn from the terminal.
    pub(crate) fn finish(&self) {
        if let Mode::Live(bar) = &self.mode {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, case: &Case) {
        let Mode::Live(bar) = &self.mode else { return };
        bar.set_length(case.total_bytes());
        bar.set_position(self.received.map_or(0, |(_, bytes)| bytes));
        bar.set_prefix(self.header());
        bar.set_message(self.message());
    }

    /// Returns the run and the time left, in one line of at most [`COLUMNS`]. A long name of a case is cut.
    fn header(&self) -> String {
        let left = self.expected.left(self.done, self.began.elapsed());
        let left = left.map_or_else(String::new, |left| format!(", {} left", rounded(left)));
        let room = COLUMNS - left.len().min(COLUMNS);
        if self.title.chars().count() <= room {
            return format!("{}{left}", self.title);
        }
        let cut: String = self.title.chars().take(room.saturating_sub(1)).collect();
        format!("{cut}…{left}")
    }

    /// Returns the name of a case, with the program of someone else that takes part.
    fn name(&self, case: &Case) -> String {
        let peer = self.peer.as_ref().map_or_else(String::new, |peer| format!(" {peer}"));
        format!("{}{peer}", case.key())
    }

    /// Begins to show a run.
    fn show(&mut self, case: &Case, title: String) {
        self.title = title;
        (self.received, self.goodput) = (None, None);
        self.memory = ByEnd::default();
        self.draw(case);
    }

    fn message(&self) -> String {
        let goodput = self.goodput.map_or("-".into(), |rate| format!("{:.0}", mib_per_s(rate)));
        format!("{goodput:>5} MiB/s  RSS {} and {} MiB", self.memory.sender, self.memory.receiver)
    }

    /// Updates the goodput: the rate between two heartbeats of the receiver.
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

impl fmt::Display for EndMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: Option<u64>| bytes.map_or("-".into(), |bytes| format!("{:.1}", mib(bytes)));
        write!(f, "{} of {}", shown(self.rss), shown(self.allowed))
    }
}

impl Observer for LiveView {
    fn facing(&mut self, peer: Option<&str>) {
        self.peer = peer.map(str::to_owned);
    }

    fn warming_up(&mut self, case: &Case, round: u32) {
        self.show(case, format!("warm-up {}: {}", round + 1, self.name(case)));
    }

    fn started(&mut self, case: &Case, round: u32) {
        // A session that runs until its figures are precise has more runs than were expected.
        let (run, runs) = (self.finished + 1, self.expected.runs().max(self.finished + 1));
        self.show(case, format!("[{run}/{runs}] {} round {}", self.name(case), round + 1));
    }

    fn progress(&mut self, case: &Case, end: End, heartbeat: Heartbeat) {
        let allowed = heartbeat.baseline_rss_bytes.map(|baseline| baseline + Budget::of(case, end).bytes());
        self.memory[end] = EndMemory { rss: heartbeat.rss_bytes, allowed };
        if end == End::Receiver {
            self.receive(heartbeat.bytes);
        }
        self.draw(case);
    }

    fn finished(&mut self, record: &Record) {
        self.finished += 1;
        self.done = self.done.saturating_add(nominal_time(&record.case));
        if !matches!(self.mode, Mode::Lines) {
            return;
        }
        let outcome = match (&record.error, record.goodput_bytes_per_s) {
            (Some(fault), _) => format!("failed: {}", fault.message),
            (None, Some(rate)) => format!("{:.0} MiB/s, {:.2} Gbit/s", mib_per_s(rate), gbit_per_s(rate)),
            (None, None) => match record.absorbed_bytes {
                Some(bytes) => format!("{:.1} MiB absorbed", mib(bytes)),
                None => "no goodput".into(),
            },
        };
        eprintln!("{} {outcome}", self.title);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stands_beside_its_bound_and_the_line_fits_80_columns() {
        let (case, mut view) = (Case::new("h3"), LiveView::quiet());
        view.started(&case, 0);
        let heartbeat =
            Heartbeat { bytes: 1 << 30, rss_bytes: Some(12 << 20), baseline_rss_bytes: Some(8 << 20) };
        view.progress(&case, End::Sender, heartbeat);
        view.progress(&case, End::Receiver, heartbeat);
        view.goodput = Some(12_345.0 * f64::from(1 << 20));
        let message = view.message();
        let allowed = mib((8 << 20) + Budget::of(&case, End::Receiver).bytes());
        assert!(message.ends_with(&format!("12.0 of {allowed:.1} MiB")), "{message}");
        // A margin of two, the bar, and its percentage.
        assert!(2 + 20 + 8 + message.chars().count() <= COLUMNS, "{message}");
    }

    #[test]
    fn the_header_has_the_run_and_the_time_left_and_fits_80_columns() {
        let mut case = Case::new("h3");
        let mut view = LiveView::new(Mode::Quiet, Expectation::of(&[case.clone(), case.clone()], 6));
        view.started(&case, 0);
        assert_eq!(view.header(), "[1/12] h3/up/64KiB/2GiB round 1");
        view.finished(&Record::new("session", case.clone()));
        view.started(&case, 1);
        let header = view.header();
        assert!(
            header.starts_with("[2/12] h3/up/64KiB/2GiB round 2, ") && header.ends_with(" left"),
            "{header}"
        );
        case.payload = record::PayloadKind::File(format!("/{}", "long".repeat(40)).into());
        view.started(&case, 1);
        let header = view.header();
        assert!(header.chars().count() == COLUMNS && header.ends_with(" left"), "{header}");
    }
}
