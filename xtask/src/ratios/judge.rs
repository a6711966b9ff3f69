//! The table of ratios, and the judgement of their aims.
//!
//! Each chunk size has a line, over all rounds. In the line `best`, each side has the chunk size (iperf3: the write
//! size) at which its goodput was highest in the first half of the rounds. The ratio comes from the second half,
//! because the highest of several medians of the same rounds would be too high. An aim is met if the lower end of the
//! interval meets it.

use record::{ByteSize, Direction};
use stats::median;

use super::{
    rounds::{Goodputs, Measured},
    rows::{ROWS, Row, Side},
};
use crate::study::{RatioSummary, Table, mib_per_s};

/// The bound on a ratio to a ceiling. An interval that lies completely above it shows a fault of the ceiling.
const BEYOND: f64 = 1.02;

/// The judged table.
pub(super) struct Judgement {
    pub(super) table: Table,
    /// The faults, and the figures that cannot be judged.
    pub(super) notes: Vec<String>,
    /// True if a row beats its ceiling.
    pub(super) beaten: bool,
}

/// One line of the table: a candidate over its base.
struct Line<'m> {
    /// The row, the direction, and the size of both sides or `best`.
    head: [String; 3],
    candidate: (ByteSize, &'m [Option<f64>]),
    base: (ByteSize, &'m [Option<f64>]),
    aim: Option<f64>,
    is_of_ceiling: bool,
}

impl Judgement {
    pub(super) fn of(measured: &Measured) -> Self {
        let heads = ["row", "direction", "at", "size", "base size", "MiB/s", "base MiB/s"];
        let judged = ["aim", "judged"];
        let table = Table::with_heads(heads.into_iter().chain(RatioSummary::HEADS).chain(judged));
        let mut judgement = Self { table, notes: Vec::new(), beaten: false };
        for row in ROWS {
            for direction in Direction::ALL {
                let [candidate, base] = [&row.candidate, &row.base].map(|side| side.of(measured, direction));
                judgement.add_row(row, direction, &candidate, &base);
            }
        }
        judgement
    }

    fn add_row(
        &mut self,
        row: &Row,
        direction: Direction,
        candidate: &[(ByteSize, Goodputs)],
        base: &[(ByteSize, Goodputs)],
    ) {
        let head = |at: String| [row.name.to_owned(), direction.to_string(), at];
        let is_of_ceiling = row.base.is_ceiling();
        for (size, goodputs) in candidate {
            let Some((_, base)) = base.iter().find(|(of, _)| of == size) else { continue };
            let (candidate, base) = ((*size, goodputs.as_slice()), (*size, base.as_slice()));
            self.add(&Line { head: head(size.to_string()), candidate, base, aim: None, is_of_ceiling });
        }
        let rounds = candidate.iter().chain(base).map(|(_, goodputs)| goodputs.len()).max();
        let half = rounds.unwrap_or_default() / 2;
        let head = head("best".into());
        match (best(candidate, half), best(base, half)) {
            (Some(candidate), Some(base)) => {
                self.add(&Line { head, candidate, base, aim: row.aim, is_of_ceiling });
            }
            _ => self.add_unmeasured(&head, row.aim),
        }
    }

    /// Adds the line of a row for which one side has no goodput.
    fn add_unmeasured(&mut self, head: &[String; 3], aim: Option<f64>) {
        let dashes = [const { String::new() }; RatioSummary::HEADS.len() + 4].map(|_| "-".to_owned());
        let judged = if aim.is_some() { "not measured" } else { "-" };
        self.table.push(head.iter().cloned().chain(dashes).chain([shown(aim), judged.into()]));
    }

    /// Adds a line, if any round has both sides.
    fn add(&mut self, line: &Line<'_>) {
        let both = line.base.1.iter().zip(line.candidate.1);
        let pairs: Vec<(f64, f64)> = both.filter_map(|(base, mine)| Some(((*base)?, (*mine)?))).collect();
        let Some(summary) = RatioSummary::of(&pairs) else { return };
        let (bases, candidates): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let figure = |goodputs: &[f64]| median(goodputs).map_or("-".into(), mib_per_s);
        let judged = self.judged(line, &summary);
        let sizes = [line.candidate.0, line.base.0].map(|size| size.to_string());
        let cells = line.head.iter().cloned().chain(sizes).chain([figure(&candidates), figure(&bases)]);
        self.table.push(cells.chain(summary.cells()).chain([shown(line.aim), judged.into()]));
    }

    fn judged(&mut self, line: &Line<'_>, summary: &RatioSummary) -> &'static str {
        let judged = if line.is_of_ceiling && summary.meets(BEYOND) == Some(true) {
            self.beaten = true;
            "beats its ceiling"
        } else {
            match line.aim.map(|aim| summary.meets(aim)) {
                None => return "-",
                Some(Some(true)) => return "met",
                Some(Some(false)) => "missed",
                Some(None) => "too few pairs",
            }
        };
        let [_, low, ..] = summary.cells();
        self.notes.push(format!("{} (lower end {low}): {judged}", line.head.join(" ")));
        judged
    }
}

fn shown(aim: Option<f64>) -> String {
    aim.map_or("-".into(), |aim| format!("{aim:.2}"))
}

impl Side {
    /// Returns the goodputs of this side, by size.
    fn of(&self, measured: &Measured, direction: Direction) -> Vec<(ByteSize, Goodputs)> {
        match self {
            Self::Iperf3 => measured.by_write(direction),
            Self::Bodies(bodies) => measured.by_chunk(direction, |case| bodies.is(case)),
        }
    }
}

/// Returns the size with the highest median in the first `half` rounds, and its goodputs in all others.
fn best(sizes: &[(ByteSize, Goodputs)], half: usize) -> Option<(ByteSize, &[Option<f64>])> {
    let halves = sizes.iter().filter_map(|(size, goodputs)| {
        let (first, second) = goodputs.split_at_checked(half)?;
        let first: Vec<f64> = first.iter().flatten().copied().collect();
        Some((median(&first)?, *size, second))
    });
    halves.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, size, second)| (size, second))
}

#[cfg(test)]
mod tests {
    use record::{Case, Record, SinkKind};

    use super::*;
    use crate::ratios::iperf3::Run;

    const CHUNKS: [ByteSize; 2] = [ByteSize(64 << 10), ByteSize(1 << 20)];

    /// Returns rounds of `tcp`, of its ceiling, of iperf3 in writes of 64 KiB, and of `h2c`, whose goodput is `share`
    /// of that of `tcp`. `tcp` is a tenth faster in chunks of 1 MiB.
    fn measured(rounds: u32, share: impl Fn(ByteSize, u32) -> f64) -> Measured {
        let mut measured = Measured::default();
        for round in 0..rounds {
            for chunk in CHUNKS {
                let large = if chunk == CHUNKS[1] { 1.1 } else { 1.0 };
                let rows = [("tcp", large), ("h2c", share(chunk, round)), ("tcp-ceiling", 1.25)];
                for (protocol, factor) in rows {
                    let mut case = Case::new(protocol);
                    (case.sink, case.chunk) = (SinkKind::Discard, chunk.0.try_into().unwrap());
                    let mut record = Record::new(format!("round {round}"), case);
                    record.goodput_bytes_per_s = Some(f64::from((100 + round) << 20) * factor);
                    measured.records.push(record);
                }
            }
            measured.iperf3.push(Run {
                version: String::new(),
                round,
                direction: Direction::Up,
                write: CHUNKS[0],
                goodput: Some(f64::from((100 + round) << 20) * 1.25),
                core_round_trip: None,
            });
        }
        measured
    }

    fn line(measured: &Measured, head: &str) -> Option<String> {
        let text = Judgement::of(measured).table.separated();
        text.lines().find(|line| line.starts_with(head)).map(|line| line[head.len()..].to_owned())
    }

    #[test]
    fn each_chunk_is_a_line_over_all_rounds_with_an_interval() {
        let measured = measured(12, |_, _| 0.9);
        let found = line(&measured, "h2c/tcp\tup\t64KiB\t").unwrap();
        assert_eq!(found, "64KiB\t64KiB\t95\t106\t0.900\t0.900\t0.900\t0.900\t0.900\t12\t-\t-");
        let found = line(&measured, "h2c/tcp-ceiling\tup\t1MiB\t").unwrap();
        assert!(found.contains("\t0.720\t0.720\t"), "{found}");
        assert_eq!(line(&measured, "h2c/tcp\tdown\t64KiB"), None);
        assert!(line(&measured, "h2c/tcp\tdown\tbest").unwrap().ends_with("\t-\t0.90\tnot measured"));
    }

    #[test]
    fn the_best_sizes_are_chosen_by_one_half_of_the_rounds_and_judged_by_the_other() {
        // By chance, 64 KiB has the higher goodput in the first half, which chooses the size. In the second half, which
        // alone is judged, it has the lower one.
        let luck = |chunk: ByteSize, round: u32| match (chunk == CHUNKS[0], round < 6) {
            (true, true) => 1.2,
            (true, false) => 0.88,
            (false, _) => 1.1,
        };
        // `tcp` is judged at its own best chunk size. At that of `h2c`, the ratio would be 0.88.
        let found = line(&measured(12, luck), "h2c/tcp\tup\tbest\t").unwrap();
        assert_eq!(found, "64KiB\t1MiB\t95\t119\t0.800\t0.800\t0.800\t0.800\t0.800\t6\t0.90\tmissed");
        let few = line(&measured(10, luck), "h2c/tcp\tup\tbest\t").unwrap();
        assert!(few.ends_with("\t5\t0.90\ttoo few pairs"), "{few}");
        let met = line(&measured(12, |_, _| 1.1), "h2c/tcp\tup\tbest\t").unwrap();
        assert!(met.ends_with("\t6\t0.90\tmet"), "{met}");
    }

    #[test]
    fn the_ceiling_is_held_against_iperf3_at_its_best_write_size() {
        let mut measured = measured(12, |_, _| 0.9);
        let found = line(&measured, "tcp-ceiling/iperf3\tup\tbest\t").unwrap();
        assert!(found.contains("\t1.000\t1.000\t1.000\t") && found.ends_with("\t1.00\tmet"), "{found}");
        let faster = measured.iperf3.clone().into_iter().map(|run| Run {
            write: ByteSize(128 << 10),
            goodput: run.goodput.map(|goodput| 1.1 * goodput),
            ..run
        });
        measured.iperf3.extend(faster);
        let found = line(&measured, "tcp-ceiling/iperf3\tup\tbest\t").unwrap();
        assert!(found.contains("\t128KiB\t") && found.ends_with("\t1.00\tmissed"), "{found}");
    }

    #[test]
    fn a_row_that_beats_its_ceiling_is_a_fault_and_one_at_it_is_not() {
        let beaten = Judgement::of(&measured(12, |_, _| 1.29));
        assert!(beaten.beaten && beaten.notes[0].contains("beats its ceiling"), "{:?}", beaten.notes);
        assert!(!Judgement::of(&measured(12, |_, _| 1.27)).beaten);
        assert!(!Judgement::of(&measured(5, |_, _| 1.29)).beaten, "too few pairs for an interval");
    }
}
