//! The live view of running cases, on stderr.

use std::{fmt, time::Duration};

use metrics::Stamp;
use record::{ByEnd, Case, End, Record, mib, mib_per_s, speed, three_digits};
use run::{Budget, Heartbeat, Observer};

use crate::{
    expectation::{Expectation, NominalTime, rounded},
    intervals::Intervals,
    output::stderr_line,
    status_lines::StatusLines,
};

/// The width of the bar, in columns.
const BAR: usize = 20;

/// The share of all runs that must be done for an estimate of the time left, before the first run has ended.
const LEAST_SHARE: f64 = 0.1;

/// A view of running cases: a line for each finished run, and on a terminal two lines below that change.
pub(crate) struct LiveView {
    mode: Mode,
    expected: Expectation,
    began: Stamp,
    finished: u64,
    /// The nominal time of the finished runs.
    done: NominalTime,
    /// The time that the finished runs have taken.
    taken: Duration,
    /// The start of the current run; `None` between runs and while one warms up.
    run_began: Option<Stamp>,
    /// The run that is shown.
    title: String,
    /// The case that is shown, with its round.
    name: String,
    /// The nominal time of the case that is shown.
    nominal: NominalTime,
    body_bytes: u64,
    /// The peer in the running case; `None` if both ends are longhaul's own.
    peer: Option<String>,
    received: Option<(Stamp, u64)>,
    goodput: Option<f64>,
    memory: ByEnd<EndMemory>,
    /// True while the host of the server ends is awaited.
    is_waiting: bool,
    /// The intervals that have a line each, if they were asked for.
    intervals: Option<Intervals>,
}

enum Mode {
    Live(StatusLines),
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
    /// Prints the `expected` runs, and returns a view of them.
    pub(crate) fn of(expected: Expectation) -> Self {
        if expected.runs() > 0 {
            stderr_line(format_args!("{expected}"));
        }
        Self::new(StatusLines::on_stderr().map_or(Mode::Lines, Mode::Live), expected)
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
            done: NominalTime::default(),
            taken: Duration::ZERO,
            run_began: None,
            title: String::new(),
            name: String::new(),
            nominal: NominalTime::default(),
            body_bytes: 0,
            peer: None,
            received: None,
            goodput: None,
            memory: ByEnd::default(),
            is_waiting: false,
            intervals: None,
        }
    }

    /// Replaces the expectation of all runs that have not finished.
    pub(crate) fn expect(&mut self, rest: Expectation) {
        self.expected = Expectation::taking(self.finished, self.done).and(rest);
    }

    /// Prints a line for each interval of `length`. `None` prints no such lines.
    pub(crate) fn with_intervals(self, length: Option<Duration>) -> Self {
        Self { intervals: length.map(Intervals::new), ..self }
    }

    /// Returns whether lines are redrawn.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live(_))
    }

    /// Removes the lines that are redrawn from the terminal.
    pub(crate) fn finish(&mut self) {
        if let Mode::Live(status) = &mut self.mode {
            status.clear();
        }
    }

    fn draw(&mut self) {
        let is_due = matches!(&self.mode, Mode::Live(status) if status.is_due());
        if is_due {
            let lines = [self.progress_line(), self.case_line()];
            if let Mode::Live(status) = &mut self.mode {
                status.draw(&lines);
            }
        }
    }

    /// Returns the run, the progress of all runs, the elapsed time and the time left.
    fn progress_line(&self) -> String {
        let share = self.share();
        let filled = (share * BAR as f64) as usize;
        let bar = "█".repeat(filled) + &"░".repeat(BAR.saturating_sub(filled));
        let left = self.left().map_or_else(String::new, |left| format!(", {} left", rounded(left)));
        format!("{} {bar} {:3.0} %  {}{left}", self.title, 100.0 * share, rounded(self.began.elapsed()))
    }

    /// Returns the case, its goodput, and the memory of both ends beside its bound; the case alone before the first of
    /// these figures.
    fn case_line(&self) -> String {
        let ByEnd { sender, receiver } = &self.memory;
        let is_known = self.goodput.is_some() || sender.rss.is_some() || receiver.rss.is_some();
        if !is_known {
            return self.name.clone();
        }
        let goodput = self.goodput.map_or_else(|| "-".into(), |rate| three_digits(mib_per_s(rate)));
        format!("{}  {goodput} MiB/s  sender {sender} receiver {receiver} MiB", self.name)
    }

    /// Returns the share of the nominal time of all runs that is done, from 0 to 1.
    fn share(&self) -> f64 {
        let all = self.expected.time().as_secs_f64();
        if all > 0.0 { (self.nominal_done().total().as_secs_f64() / all).min(1.0) } else { 0.0 }
    }

    /// Returns the nominal time of the finished runs, and of the part of the current run that has moved.
    fn nominal_done(&self) -> NominalTime {
        let moved = self.received.map_or(0, |(_, bytes)| bytes) as f64 / self.body_bytes.max(1) as f64;
        self.done.and(self.nominal.times(moved.clamp(0.0, 1.0)))
    }

    /// Returns the time left; `None` while too little is done for an estimate.
    fn left(&self) -> Option<Duration> {
        let is_enough = self.finished > 0 || self.share() >= LEAST_SHARE;
        // Files that are written before the first run say nothing about the pace of runs.
        let taken = self.taken.saturating_add(self.run_began.map_or(Duration::ZERO, Stamp::elapsed));
        self.expected.left(self.nominal_done(), taken).filter(|_| is_enough)
    }

    /// Returns the name of a case, with that of the peer that takes part.
    fn name(&self, case: &Case) -> String {
        let peer = self.peer.as_ref().map_or_else(String::new, |peer| format!(" {peer}"));
        format!("{}{peer}", case.key())
    }

    /// Begins to show a run.
    fn show(&mut self, case: &Case, title: String, name: String) {
        (self.title, self.name) = (title, name);
        (self.nominal, self.body_bytes) = (NominalTime::of(case), case.total_bytes());
        (self.received, self.goodput) = (None, None);
        self.memory = ByEnd::default();
        self.intervals.iter_mut().for_each(Intervals::restart);
        self.draw();
    }

    /// Prints the line of an interval that has ended.
    fn report_interval(&mut self, bytes: u64) {
        let now = self.began.elapsed();
        let line = self.intervals.as_mut().and_then(|intervals| intervals.report(now, bytes));
        if let Some(line) = line {
            self.print(&format!("{} {line}", self.title), "");
        }
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

    /// Prints a line above the redrawn lines. If no lines are redrawn, `addition` follows on the same line.
    fn print(&mut self, line: &str, addition: &str) {
        match &mut self.mode {
            Mode::Live(status) => status.print_above(&format!("{line}\n")),
            Mode::Lines => stderr_line(format_args!("{line}{addition}")),
            Mode::Quiet => {}
        }
    }

    /// Returns the line of a finished run, without its time left.
    fn outcome(&self, record: &Record) -> String {
        let outcome = match (&record.error, record.goodput_bytes_per_s) {
            (Some(fault), _) => format!("failed: {}", fault.message),
            (None, Some(rate)) => speed(rate),
            (None, None) => match record.absorbed_bytes {
                Some(bytes) => format!("{:.1} MiB absorbed", mib(bytes)),
                None => "no goodput".into(),
            },
        };
        format!("{} {} {outcome}", self.title, self.name)
    }
}

/// Writes memory and its bound in MiB: `10.1/12.7`.
impl fmt::Display for EndMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |bytes: Option<u64>| bytes.map_or_else(|| "-".into(), |bytes| format!("{:.1}", mib(bytes)));
        write!(f, "{}/{}", shown(self.rss), shown(self.allowed))
    }
}

impl Observer for LiveView {
    fn facing(&mut self, peer: Option<&str>) {
        self.peer = peer.map(str::to_owned);
    }

    fn warming_up(&mut self, case: &Case, round: u32) {
        let name = self.name(case);
        self.show(case, format!("warm-up {}", round + 1), name);
        // A warm-up is none of the runs.
        self.nominal = NominalTime::default();
    }

    fn started(&mut self, case: &Case, round: u32) {
        // A session that runs until its figures are precise may have more runs than were expected.
        let (run, runs) = (self.finished + 1, self.expected.runs().max(self.finished + 1));
        let name = format!("{} round {}", self.name(case), round + 1);
        self.run_began = Some(Stamp::now());
        self.show(case, format!("[{run}/{runs}]"), name);
    }

    fn progress(&mut self, case: &Case, end: End, heartbeat: Heartbeat) {
        let allowed = heartbeat
            .baseline_rss_bytes
            .map(|baseline| baseline.saturating_add(Budget::of(case, end).bytes()));
        self.memory[end] = EndMemory { rss: heartbeat.rss_bytes, allowed };
        if end == End::Receiver {
            self.receive(heartbeat.bytes);
            self.report_interval(heartbeat.bytes);
        }
        self.draw();
    }

    fn waiting_for_host(&mut self, host: &str, reason: &str) {
        if !self.is_waiting {
            self.print(&format!("waiting for {host}: {reason}"), "");
        }
        self.is_waiting = true;
    }

    fn finished(&mut self, record: &Record) {
        self.is_waiting = false;
        self.finished += 1;
        self.done = self.done.and(NominalTime::of(&record.case));
        self.taken = self.taken.saturating_add(self.run_began.take().map_or(Duration::ZERO, Stamp::elapsed));
        // The run counts as done, and no longer as the current one.
        self.received = None;
        let outcome = self.outcome(record);
        let left = self.left().map_or_else(String::new, |left| format!(", {} left", rounded(left)));
        self.print(&outcome, &left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a view of the second of twelve runs, in which each end has moved a half of the body.
    fn view() -> LiveView {
        let case = Case::new("h3");
        let mut view = LiveView::new(Mode::Quiet, Expectation::of(&[case.clone(), case.clone()], 6));
        view.started(&case, 0);
        view.finished(&Record::new("session", case.clone()));
        view.started(&case, 1);
        let heartbeat =
            Heartbeat { bytes: 1 << 30, rss_bytes: Some(12 << 20), baseline_rss_bytes: Some(8 << 20) };
        view.progress(&case, End::Sender, heartbeat);
        view.progress(&case, End::Receiver, heartbeat);
        view
    }

    #[test]
    fn each_end_is_named_beside_its_memory_and_its_bound_within_80_columns() {
        let mut view = view();
        view.goodput = Some(12_345.0 * f64::from(1 << 20));
        let allowed = End::ALL.map(|end| mib((8 << 20) + Budget::of(&Case::new("h3"), end).bytes()));
        let line = view.case_line();
        let ends = format!("sender 12.0/{:.1} receiver 12.0/{:.1} MiB", allowed[0], allowed[1]);
        assert_eq!(line, format!("h3/up/64KiB/2GiB round 2  12345 MiB/s  {ends}"));
        assert!(line.chars().count() <= 80, "{line}");
    }

    #[test]
    fn the_bar_is_of_all_runs_and_stands_beside_the_time_left() {
        let view = view();
        // One and a half of twelve runs.
        assert_eq!(view.share(), 0.125);
        let line = view.progress_line();
        assert!(line.starts_with("[2/12] ██░░░░░░░░░░░░░░░░░░  12 %  0 s, "), "{line}");
        assert!(line.ends_with(" left") && line.chars().count() <= 80, "{line}");
    }

    #[test]
    fn a_run_counts_once_whether_it_moves_or_has_ended() {
        let mut view = view();
        let nominal = NominalTime::of(&Case::new("h3"));
        assert_eq!(view.nominal_done(), nominal.and(nominal.times(0.5)));
        view.finished(&Record::new("session", Case::new("h3")));
        assert_eq!(view.nominal_done(), nominal.and(nominal));
        view.warming_up(&Case::new("h3"), 0);
        view.receive(1 << 30);
        assert_eq!(view.nominal_done(), nominal.and(nominal));
    }

    #[test]
    fn the_estimate_follows_runs_whose_rate_is_known_later() {
        let (case, mut slow) = (Case::new("h1c"), Case::new("h1c"));
        slow.reader_rate = "100MiB".parse().ok();
        let fast = Expectation::of(std::slice::from_ref(&case), 1);
        let mut view = LiveView::new(Mode::Quiet, fast.and(fast.slower(4.0)));
        view.started(&case, 0);
        view.finished(&Record::new("session", case));
        view.expect(Expectation::of(&[slow.clone(), slow.clone()], 1));
        view.started(&slow, 0);
        assert_eq!(view.title, "[2/3]");
        view.finished(&Record::new("session", slow.clone()));
        let (left, of_one) = (view.left().unwrap(), Expectation::of(&[slow], 1).time());
        assert!(left > of_one / 2 && left <= of_one, "{left:?} for a run of {of_one:?}");
    }

    #[test]
    fn a_single_run_has_a_time_left_once_a_part_of_it_is_done() {
        let case = Case::new("h3");
        let mut view = LiveView::new(Mode::Quiet, Expectation::of(std::slice::from_ref(&case), 1));
        view.started(&case, 0);
        assert_eq!(view.case_line(), "h3/up/64KiB/2GiB round 1");
        view.receive(64 << 20);
        assert_eq!(view.left(), None);
        view.receive(1 << 30);
        assert!(view.left().is_some());
    }

    #[test]
    fn a_finished_run_has_a_line_of_its_own() {
        let mut record = Record::new("session", Case::new("h3"));
        assert_eq!(view().outcome(&record), "[2/12] h3/up/64KiB/2GiB round 2 no goodput");
        record.goodput_bytes_per_s = Some(f64::from(1 << 30));
        assert!(view().outcome(&record).ends_with(" round 2 1024 MiB/s, 8.59 Gbit/s"));
    }
}
