//! The table of all rows on a terminal: one line for each row, below a heading for each set of bodies and chunk size.
//!
//! Each heading repeats the titles of the columns, so that titles stay in sight in a long table.

use record::{CoreRoundTrip, Record, gbit_per_s, mib_per_s, three_digits};
use stats::Interval;

use super::{
    cells::{figure, pair, peak, rate, verdict},
    programs,
    screen::{Screen, Tone},
};
use crate::{Analysis, BaselineRatio, Rank, Row, SeriesKey, Verdict};

/// The explanation of the columns, which stands above the table. `{range}` stands for that of the ranges.
const LEGEND: &str = "medians of all rounds; {range}; loop, ceiling: goodput over that of a plain loop without HTTP, and \
     over the most that the carrier gives here; s/r: sender/receiver";

/// The title and the explanation of ranges that are intervals.
const INTERVAL: (&str, &str) = ("±", "±: interval of 95 %");

/// The title and the explanation of ranges some of which are of too few rounds for an interval.
const RANGE: (&str, &str) =
    ("range", "range: least..most of too few rounds for an interval; with %: ± of an interval of 95 %");

/// The space between two columns.
const GAP: &str = "  ";

/// The most characters of a name or heading that stands in the line of its figures. A longer one has a line of its own.
const LONGEST: usize = 24;

/// A column of figures. Its cells are in the order of the rows.
struct Column {
    title: &'static str,
    /// The importance: a narrow terminal leaves out the columns with the highest numbers.
    importance: u8,
    cells: Vec<String>,
}

/// Rows of one heading.
struct Group<'r, 'a> {
    heading: String,
    /// The rows with their positions in the analysis.
    rows: Vec<(usize, &'r Row<'a>)>,
}

/// Rows that move the same bodies: groups by chunk size, and ceilings, which have a chunk size of their own.
struct Bodies<'r, 'a> {
    key: SeriesKey,
    groups: Vec<Group<'r, 'a>>,
    ceilings: Vec<&'r Row<'a>>,
}

/// Returns the table for a terminal of a width. The explanation and the ceilings stand above the first heading, so that
/// the heading stays in sight on a short terminal.
pub(super) fn text(analysis: &Analysis<'_>, screen: &Screen, width: usize) -> String {
    let all = bodies(analysis);
    let names: Vec<String> = analysis.rows.iter().map(name).collect();
    let headings = all.iter().flat_map(|bodies| &bodies.groups).map(|group| &group.heading);
    let lengths = names.iter().chain(headings).map(|text| text.chars().count());
    let first = lengths.filter(|length| *length <= LONGEST).max().unwrap_or(0);
    let columns = fitting(columns(analysis), width.saturating_sub(first));
    let some_near =
        analysis.rows.iter().flat_map(|row| &row.records).any(|record| is_far(record) == Some(false));
    let mut text = screen.wrapped(&LEGEND.replace("{range}", ranges(analysis).1));
    for bodies in &all {
        text += &bodies.ceilings(screen, all.len() > 1);
        for Group { heading, rows } in &bodies.groups {
            let titles = columns.iter().map(|column| (column.title.to_owned(), column.width()));
            text += &line(heading, first, titles, "verdict");
            for (index, row) in rows {
                let cells = columns.iter().map(|column| (column.cell(*index), column.width()));
                let name = names.get(*index).map_or("", String::as_str);
                let far = if some_near { far_runs(row) } else { String::new() };
                text += &line(name, first, cells, &(painted_verdict(analysis, row, screen) + &far));
            }
        }
    }
    text
}

/// Returns the title and the explanation of the ranges.
fn ranges(analysis: &Analysis<'_>) -> (&'static str, &'static str) {
    let is_without = |row: &Row<'_>| row.goodput.is_some_and(|goodput| goodput.interval.is_none());
    if analysis.rows.iter().any(is_without) { RANGE } else { INTERVAL }
}

/// Returns whether the cores of the ends of a run were far apart; `None` if the run has no round-trip time of them.
fn is_far(record: &Record) -> Option<bool> {
    record.core_round_trip.map(CoreRoundTrip::is_far)
}

/// Returns the number of runs of a row whose cores were far apart, to stand behind the verdict: the note that explains it
/// stands above the table, where a short terminal does not show it. Empty without such runs.
fn far_runs(row: &Row<'_>) -> String {
    match row.records.iter().filter(|record| is_far(record) == Some(true)).count() {
        0 => String::new(),
        far => format!(", {far} far"),
    }
}

/// Returns the rows in their order, grouped by bodies, and by heading within the same bodies.
fn bodies<'r, 'a>(analysis: &'r Analysis<'a>) -> Vec<Bodies<'r, 'a>> {
    let mut all: Vec<Bodies<'r, 'a>> = Vec::new();
    for (index, row) in analysis.rows.iter().enumerate() {
        let mut key = row.key.clone();
        // A program in the place of one end stands in the name of its row, not in the heading.
        key.peer = key.peer.filter(|_| row.peer_end().is_none());
        let of_bodies = key.of_any_chunk();
        if all.last().is_none_or(|bodies| bodies.key != of_bodies) {
            all.push(Bodies { key: of_bodies, groups: Vec::new(), ceilings: Vec::new() });
        }
        if let Some(bodies) = all.last_mut() {
            bodies.add(index, row, heading(&key));
        }
    }
    all
}

/// Returns the heading of rows: chunk size, body and direction, then the axes that all protocols share.
fn heading(key: &SeriesKey) -> String {
    let shared = key.without_protocol().case;
    let body = shared.body.map_or_else(String::new, |body| format!(", {body}"));
    let variant = Some(shared.variant()).filter(|variant| !variant.is_empty());
    let label = key.label.iter().map(|label| format!("'{label}'"));
    let others: Vec<String> = variant.into_iter().chain(label).chain(key.peer.clone()).collect();
    let others = if others.is_empty() { String::new() } else { format!(" {}", others.join(" ")) };
    format!("{} chunks{body} {}{others}", shared.chunk, shared.direction)
}

/// Returns the name of a row below its heading: the protocol with its limits, and the programs of both ends if one of
/// them is not longhaul.
fn name(row: &Row<'_>) -> String {
    let limits = row.key.case.axes.iter().filter(|axis| axis.is_limit()).map(|axis| format!("+{axis}"));
    let [_, programs] = programs::name(row);
    let parts = [row.case.protocol.clone() + &limits.collect::<String>(), programs];
    parts.join(" ").trim_end().to_owned()
}

impl<'r, 'a> Bodies<'r, 'a> {
    fn add(&mut self, index: usize, row: &'r Row<'a>, heading: String) {
        if row.facts.is_ceiling() {
            self.ceilings.push(row);
            return;
        }
        if self.groups.last().is_none_or(|group| group.heading != heading) {
            self.groups.push(Group { heading, rows: Vec::new() });
        }
        if let Some(group) = self.groups.last_mut() {
            group.rows.push((index, row));
        }
    }

    /// Returns the goodputs of the ceilings in one sentence; empty without ceilings. The sentence names the direction
    /// if the table has several sets of bodies.
    fn ceilings(&self, screen: &Screen, is_one_of_several: bool) -> String {
        let ceiling = |row: &&Row<'_>| {
            let name = row.case.protocol.trim_end_matches("-ceiling");
            let goodput = row.goodput.map(|goodput| mib_per_s(goodput.median));
            format!("{name} {}", rate(goodput))
        };
        let ceilings: Vec<String> = self.ceilings.iter().map(ceiling).collect();
        if ceilings.is_empty() {
            return String::new();
        }
        let of = if is_one_of_several { format!(" {}", self.key.case.direction) } else { String::new() };
        screen.wrapped(&format!("ceilings{of}, MiB/s: {}", ceilings.join(", ")))
    }
}

impl Column {
    fn new(title: &'static str, importance: u8, cells: impl Iterator<Item = String>) -> Self {
        Self { title, importance, cells: cells.collect() }
    }

    fn cell(&self, index: usize) -> String {
        self.cells.get(index).cloned().unwrap_or_default()
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.chars().count());
        cells.chain([self.title.chars().count()]).max().unwrap_or(0)
    }
}

/// Returns all columns, from left to right. Ceilings have no line of their own, so their cells are empty.
fn columns(analysis: &Analysis<'_>) -> Vec<Column> {
    let rows = || analysis.rows.iter();
    let of = |title, importance, cell: &dyn Fn(&Row<'_>) -> String| {
        let shown = |row: &Row<'_>| if row.facts.is_ceiling() { String::new() } else { cell(row) };
        Column::new(title, importance, rows().map(shown))
    };
    let goodput = |row: &Row<'_>| row.goodput.map(|goodput| goodput.median);
    let ratio = |of: &Option<BaselineRatio>| figure(of.as_ref().map(|of| of.ratio.median), 2);
    vec![
        of("MiB/s", 0, &|row| rate(goodput(row).map(mib_per_s))),
        of(ranges(analysis).0, 2, &uncertainty),
        of("Gbit/s", 6, &|row| rate(goodput(row).map(gbit_per_s))),
        of("loop", 3, &|row| ratio(&row.of_baseline)),
        of("ceiling", 4, &|row| ratio(&row.of_ceiling)),
        of("RSS MiB s/r", 1, &|row| pair(peak(&row.ends.sender), peak(&row.ends.receiver))),
        of("CPU s/GiB s/r", 5, &|row| {
            pair(figure(row.ends.sender.cpu_s_per_gib, 2), figure(row.ends.receiver.cpu_s_per_gib, 2))
        }),
    ]
}

/// Returns the larger distance from the median goodput to an end of its interval, in percent of the median. Without an
/// interval, returns the least and the greatest goodput.
fn uncertainty(row: &Row<'_>) -> String {
    let Some(goodput) = row.goodput else { return "-".into() };
    let Interval { low, high } = goodput.range();
    match goodput.interval {
        // Of empty bodies, no byte moves.
        Some(_) if goodput.median <= 0.0 => "-".into(),
        Some(_) => {
            let half = (high - goodput.median).max(goodput.median - low);
            format!("{:.0} %", (100.0 * half / goodput.median).ceil())
        }
        None => format!("{}..{}", three_digits(mib_per_s(low)), three_digits(mib_per_s(high))),
    }
}

/// Returns the columns that fit a width beside a verdict. The least important columns are left out first, and columns
/// of importance 0 stay.
fn fitting(mut columns: Vec<Column>, width: usize) -> Vec<Column> {
    /// The longest common verdict: "over budget".
    const VERDICT: usize = 11;
    let needed = |columns: &[Column]| {
        columns.iter().map(|column| GAP.len() + column.width()).sum::<usize>() + GAP.len() + VERDICT
    };
    while needed(&columns) > width {
        let least = columns.iter().map(|column| column.importance).max().filter(|least| *least > 0);
        let Some(least) = least else { break };
        columns.retain(|column| column.importance != least);
    }
    columns
}

/// Returns a line: a name, figures aligned right, and a verdict. A name that is too long has a line of its own.
fn line(name: &str, first: usize, cells: impl Iterator<Item = (String, usize)>, verdict: &str) -> String {
    let name = if name.chars().count() > first {
        format!("{name}\n{:first$}", "")
    } else {
        format!("{name:first$}")
    };
    let cells: String = cells.map(|(cell, width)| format!("{GAP}{cell:>width$}")).collect();
    format!("{name}{cells}{GAP}{verdict}\n")
}

fn painted_verdict(analysis: &Analysis<'_>, row: &Row<'_>, screen: &Screen) -> String {
    let word = verdict(analysis, row);
    let tone = match analysis.worst_of(row).map(|kind| kind.verdict()) {
        Some(Verdict::Good | Verdict::Inconclusive) => Some(Tone::Warning),
        Some(_) => Some(Tone::Bad),
        None => (row.rank == Some(Rank::Fastest)).then_some(Tone::Good),
    };
    tone.map_or_else(|| word.to_owned(), |tone| screen.paint(tone, word))
}

#[cfg(test)]
mod tests;
