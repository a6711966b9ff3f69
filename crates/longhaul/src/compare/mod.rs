//! `longhaul compare`: two sets of records, figure by figure.
//!
//! Cases are [`join`]ed by name; for each [`metric`] the medians are compared, with an interval by
//! [`bootstrap`]; interval and threshold together decide the [`judge`]ment, which the [`table`] shows.

mod bootstrap;
mod join;
mod judge;
mod metric;
mod table;

use crate::{
    cli::CompareArgs,
    exit::Verdict,
    record::{FaultKind, Record},
    results,
    stdout::print,
};
use join::Joined;
use judge::{Change, Judged};

/// Runs the command.
pub(crate) fn main(args: &CompareArgs) -> anyhow::Result<Verdict> {
    let base = results::read_what_is_whole(&args.base)?;
    let candidate = results::read_what_is_whole(&args.candidate)?;
    let joined = Joined::of(&base.records, &candidate.records);
    let (judged, alpha) = judge::judge(&joined.pairs, args.threshold);
    print(&table::text(&joined, &judged, alpha))?;
    base.assert_whole()?;
    candidate.assert_whole()?;
    Ok(if args.fail_on.is_some() { verdict(&judged) } else { Verdict::Good })
}

/// What it amounts to for a gate: a candidate that is worse, or that fails where the base did not.
fn verdict(judged: &[Judged]) -> Verdict {
    let of_case = |judged: &Judged| {
        let changes = judged.judgements.iter().filter(|judgement| judgement.change == Change::Worse);
        let worse =
            changes.map(|it| if it.metric.is_memory() { Verdict::MemoryOver } else { Verdict::Slower });
        worse.chain(new_failure(&judged.pair.base, &judged.pair.candidate)).min()
    };
    let has_no_interval = |judged: &Judged| judged.judgements.iter().all(|it| it.ratio.interval.is_none());
    let worst = judged.iter().filter_map(of_case).min();
    // Without a single interval nothing was compared, and a gate must not say that all is well.
    let nothing_compared = judged.iter().all(has_no_interval).then_some(Verdict::Inconclusive);
    worst.or(nothing_compared).unwrap_or(Verdict::Good)
}

/// A kind of failure that the base has not seen.
fn new_failure(base: &[&Record], candidate: &[&Record]) -> Option<Verdict> {
    let kinds = |records: &[&Record]| -> Vec<FaultKind> {
        records.iter().filter_map(|record| record.error.as_ref()).map(|fault| fault.kind).collect()
    };
    let known = kinds(base);
    let new = kinds(candidate).into_iter().filter(|kind| !known.contains(kind));
    new.map(|kind| if kind == FaultKind::Integrity { Verdict::IntegrityFailed } else { Verdict::RunFailed })
        .min()
}

#[cfg(test)]
mod tests {
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::{cli::Thresholds, record::tests::record};

    /// Runs of a case, one a round, with goodputs in MiB/s and nothing else measured.
    pub(super) fn records(protocol: &str, goodputs: &[f64]) -> Vec<Record> {
        let runs = goodputs.iter().zip(0..);
        runs.map(|(goodput, round)| Record {
            round,
            goodput_bytes_per_s: Some(goodput * f64::from(1 << 20)),
            ..record(protocol)
        })
        .collect()
    }

    fn judged_as(base: &[Record], candidate: &[Record]) -> Verdict {
        let joined = Joined::of(base, candidate);
        verdict(&judge::judge(&joined.pairs, Thresholds::default()).0)
    }

    /// Goodput with noise of 4 %, and now and then a run that something else on the machine has slowed.
    fn noisy(random: &mut Xoshiro256PlusPlus, centre: f64, rounds: usize) -> Vec<f64> {
        let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
        (0..rounds)
            .map(|_| {
                let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                let slowed = if uniform() < 0.05 { 0.7 } else { 1.0 };
                centre * slowed * (1.0 + 0.04 * normal)
            })
            .collect()
    }

    #[test]
    fn one_run_split_in_two_is_no_regression() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let repeats = 200;
        let called = (0..repeats).filter(|_| {
            let mut half = || -> Vec<Record> {
                let runs = ["tcp", "h1c", "h2c", "tls", "h1", "h2", "quic", "h3"]
                    .map(|protocol| records(protocol, &noisy(&mut random, 3000.0, 7)));
                runs.concat()
            };
            judged_as(&half(), &half()) != Verdict::Good
        });
        let called = called.count();
        assert!(called * 20 <= repeats, "{called} of {repeats}");
    }

    #[test]
    fn a_slowdown_of_a_tenth_is_found_with_seven_rounds() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
        let found = (0..200).filter(|_| {
            let noise = |random: &mut Xoshiro256PlusPlus, centre: f64| -> Vec<f64> {
                let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
                (0..7).map(|_| centre * (1.0 + 0.04 * (uniform() - 0.5))).collect()
            };
            let (base, candidate) = (noise(&mut random, 3000.0), noise(&mut random, 2700.0));
            judged_as(&records("h2", &base), &records("h2", &candidate)) == Verdict::Slower
        });
        let found = found.count();
        assert!(found >= 198, "{found} of 200");
    }

    #[test]
    fn memory_decides_before_speed_and_too_few_rounds_decide_nothing() {
        let mut base = records("h2", &[100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0]);
        let peak = |records: &mut [Record], peak: u64| {
            records.iter_mut().for_each(|record| {
                if let Some(end) = &mut record.sender {
                    end.memory.peak_rss_bytes = Some(peak);
                }
            });
        };
        peak(&mut base, 8 << 20);
        let mut candidate = records("h2", &[50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0]);
        peak(&mut candidate, 8 << 20);
        assert_eq!(judged_as(&base, &candidate), Verdict::Slower);
        peak(&mut candidate, 12 << 20);
        assert_eq!(judged_as(&base, &candidate), Verdict::MemoryOver);
        assert_eq!(judged_as(&base[..2], &candidate[..2]), Verdict::Inconclusive);
    }
}
