//! `longhaul prove`: proves that memory stays constant, whatever the size of the body.
//!
//! Bodies of several sizes are sent to a fast and to a slow reader; then the [`control`]s run, which the proof must
//! judge as expected. [`analyse::Proof`] judges the records.

use std::time::Duration;

use ::subject::LEAST_BODY;
use analyse::{Analysis, Proof, Verdict};
use record::{Case, Purpose, Rate, Record};

use super::{
    bench::{explain_memory, list},
    control, subject, trace,
};
use crate::{
    exit::Usage,
    expectation::Expectation,
    flags::{Defaults, ProveArgs},
    output::stdout_screen,
    recording::Recording,
    save_folder,
};

/// The goodput of a slow reader as a share of a fast one's.
pub(super) const SLOW: f64 = 0.25;

/// The number of rounds with a reader that stands still.
pub(super) const STALLED_ROUNDS: u32 = 1;

/// The granularity of slow rates, in bytes per second: round figures are easy to read.
const STEP: u64 = 1 << 20;

/// Runs `longhaul prove`.
pub(super) fn main(args: &ProveArgs) -> anyhow::Result<Verdict> {
    args.check()?;
    if args.is_of_program() {
        return subject::main(args);
    }
    let asked = args.runs.reader_rate;
    let mut fast = args.runs.cases(&Defaults::PROVE)?;
    fast.iter_mut().for_each(|case| case.reader_rate = None);
    if args.runs.explain_memory {
        return explain_memory(&fast);
    }
    if args.trace {
        trace::check_build()?;
    }
    let controls = Controls::of(args)?;
    let to_slow = of_middle_chunk(&fast);
    let rounds = args.runs.rounds(&Defaults::PROVE);
    let of_controls =
        Expectation::of(&controls.kept, control::KEPT_ROUNDS).and(Expectation::of(&controls.calibrated, 1));
    let expected =
        Expectation::of(&fast, rounds).and(expected_slow(&to_slow, asked, rounds)).and(of_controls);
    if args.runs.session.list {
        return list(&fast, expected);
    }
    save_folder::prepare(&fast)?;
    let mut recording = Recording::begin(&args.runs.session, &fast, expected)?;
    recording.limit_slopes(args.slope_limit());
    recording.enclose_ends();
    recording.run(&fast, rounds, Purpose::Measure)?;
    let records = recording.records()?;
    let slow: Vec<Case> = to_slow.iter().filter_map(|case| slowed(case, asked, &records)).collect();
    recording.expect(Expectation::of(&slow, rounds).and(of_controls));
    recording.run(&slow, rounds, Purpose::Measure)?;
    recording.run(&controls.kept, control::KEPT_ROUNDS, Purpose::Control)?;
    recording.run(&controls.calibrated, 1, Purpose::Control)?;
    close(recording, args.trace)
}

/// The controls of a proof.
#[derive(Default)]
struct Controls {
    kept: Vec<Case>,
    calibrated: Vec<Case>,
}

impl Controls {
    fn of(args: &ProveArgs) -> Result<Self, Usage> {
        if args.no_control {
            return Ok(Self::default());
        }
        Ok(Self { kept: control::kept()?, calibrated: control::calibrated(args.slope_limit())? })
    }
}

/// Returns the cases with the middle chunk size, the only one that runs with a slow reader. Windows bound the bytes
/// that wait for a slow reader, whatever the chunk size, and at a quarter of the goodput a run takes four times as
/// long.
fn of_middle_chunk(cases: &[Case]) -> Vec<Case> {
    let mut chunks: Vec<u64> = cases.iter().map(|case| case.chunk.into()).collect();
    chunks.sort_unstable();
    chunks.dedup();
    let middle = chunks.get(chunks.len().saturating_sub(1) / 2).copied();
    cases.iter().filter(|case| Some(u64::from(case.chunk)) == middle).cloned().collect()
}

/// Returns the cases of the largest body whose reader stands still for `stall`. One run of each suffices, because the
/// judgement needs no other size. None remain if the body is so small that buffers could take an eighth of it.
pub(super) fn stalled(cases: &[Case], stall: Duration) -> Vec<Case> {
    let largest = cases.iter().map(|case| case.body).max().filter(|body| *body >= LEAST_BODY);
    let largest = cases.iter().filter(|case| Some(case.body) == largest && !stall.is_zero());
    largest.cloned().map(|case| standing_still(case, stall)).collect()
}

fn standing_still(mut case: Case, stall: Duration) -> Case {
    case.reader_stall = Some(stall);
    case
}

/// Judges the records, and reports the verdict. With `names_growth`, also names the call sites of memory that grows.
pub(super) fn close(mut recording: Recording<'_>, names_growth: bool) -> anyhow::Result<Verdict> {
    let records = recording.records()?;
    let mut analysis = Analysis::of(&records);
    let proof = Proof::of(&records);
    let screen = stdout_screen();
    let mut text = analyse::proof_text(&proof, &analysis.findings, &screen);
    if names_growth {
        text += &trace::name_growth(&proof, &mut recording)?;
    }
    analysis.proof = Some(proof);
    text += &screen.wrapped(&analysis.sentence());
    text += &analyse::answer(&analysis, &screen);
    recording.close("longhaul prove", &records, &analysis, &text, analysis.verdict_with_proof())
}

/// Returns the expected runs with a slow reader, before the goodput is known that sets its rate.
pub(super) fn expected_slow(cases: &[Case], asked: Option<Rate>, rounds: u32) -> Expectation {
    match asked {
        Some(_) => {
            let slow: Vec<Case> = cases.iter().filter_map(|case| slowed(case, asked, &[])).collect();
            Expectation::of(&slow, rounds)
        }
        None => Expectation::of(cases, rounds).slower(1.0 / SLOW),
    }
}

/// Returns the case with a slow reader: at the rate `asked`, or at a quarter of the median goodput over all sizes of
/// its body. `None` if every run failed.
pub(super) fn slowed(case: &Case, asked: Option<Rate>, records: &[Record]) -> Option<Case> {
    if asked.is_some() {
        let mut slow = case.clone();
        slow.reader_rate = asked;
        return Some(slow);
    }
    let series = case.key().without_body();
    let same = records.iter().filter(|record| record.case.key().without_body() == series);
    let goodputs: Vec<f64> =
        same.filter(|record| record.is_ok()).filter_map(|record| record.goodput_bytes_per_s).collect();
    // Each body has its own reader.
    let rate = (SLOW * stats::median(&goodputs)?) as u64 / case.bodies();
    let rate = Rate::try_from((rate / STEP * STEP).max(STEP)).ok()?;
    Some(case.clone().with_reader_at_a_quarter(rate))
}

#[cfg(test)]
mod tests {
    use record::ByteSize;

    use super::*;

    fn run(goodput: f64, body: u64) -> Record {
        let mut case = Case::new("h2");
        case.body = ByteSize(body);
        let mut record = Record::new("session", case);
        record.goodput_bytes_per_s = Some(goodput * f64::from(1 << 20));
        record
    }

    #[test]
    fn the_time_of_a_slow_reader_follows_the_rate_that_the_user_sets() {
        let cases = [Case::new("h1c")];
        let fast = Expectation::of(&cases, 3).time();
        assert_eq!(expected_slow(&cases, None, 3).time().as_millis(), (fast * 4).as_millis());
        let slow = expected_slow(&cases, "1MiB".parse().ok(), 3).time();
        assert_eq!(slow.as_secs(), 3 * 2048, "2 GiB at 1 MiB/s, three times");
    }

    #[test]
    fn a_slow_reader_runs_the_middle_chunk_size_only() {
        let of = |chunks: &[u64]| {
            let case = |bytes: &u64| {
                let mut case = Case::new("h2");
                case.chunk = (*bytes).try_into().unwrap();
                case
            };
            let cases: Vec<Case> = chunks.iter().map(case).collect();
            of_middle_chunk(&cases).iter().map(|case| u64::from(case.chunk)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[4096, 65536, 1 << 20, 4096]), [65536]);
        assert_eq!((of(&[4096, 65536]), of(&[7]), of(&[])), (vec![4096], vec![7], vec![]));
    }

    #[test]
    fn a_reader_stands_still_beside_the_largest_body_unless_it_is_small() {
        let case = |mib: u64, protocol: &str| {
            let mut case = Case::new(protocol);
            case.body = ByteSize(mib << 20);
            case
        };
        let names = |cases: &[Case], stall| {
            stalled(cases, stall).iter().map(|case| case.key().to_string()).collect::<Vec<_>>()
        };
        let cases = [case(64, "h1c"), case(256, "h1c"), case(256, "h2c")];
        let second = Duration::from_secs(1);
        assert_eq!(names(&cases, second), ["h1c/up/64KiB/256MiB+stall=1s", "h2c/up/64KiB/256MiB+stall=1s"]);
        assert_eq!(names(&cases, Duration::ZERO), [""; 0]);
        assert_eq!(names(&cases[..1], second), [""; 0]);
    }

    #[test]
    fn a_slow_reader_takes_a_quarter_of_the_goodput_of_all_sizes_in_whole_mib() {
        let records = [run(1000.0, 1 << 20), run(2010.0, 1 << 30), run(3000.0, 1 << 31)];
        let rate = |case: &Case, asked| slowed(case, asked, &records).and_then(|case| case.reader_rate);
        let mut case = records[0].case.clone();
        assert_eq!(rate(&case, None), "502MiB".parse().ok());
        let key = |asked| slowed(&case, asked, &records).unwrap().key().to_string();
        assert_eq!(key(None), "h2/up/64KiB/1MiB+reader=quarter", "two proofs have the same cases");
        assert_eq!(key("7MiB".parse().ok()), "h2/up/64KiB/1MiB+reader=7MiB");
        assert_eq!(rate(&case, "7MiB".parse().ok()), "7MiB".parse().ok());
        case.streams = 2;
        assert_eq!(rate(&case, None), None, "another series has no goodput");
    }
}
