//! Tests of comparisons, with synthetic records.

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use record::End;

use super::*;
use crate::tests::{STEADY, failed, run, runs, with, with_peak};

fn verdict(base: &[Record], candidate: &[Record]) -> Verdict {
    Comparison::of(base, candidate, &Thresholds::default()).verdict()
}

/// Returns goodputs with noise of 4 %. One in 20 is lowered by 30 %, as if by another process.
fn noisy(random: &mut Xoshiro256PlusPlus, centre: f64, rounds: usize) -> Vec<f64> {
    (0..rounds)
        .map(|_| {
            let normal = normal(random);
            let slowed = if uniform(random) < 0.05 { 0.7 } else { 1.0 };
            centre * slowed * (1.0 + 0.04 * normal)
        })
        .collect()
}

/// Sets the start of a run to the given second of a day.
fn at(record: Record, second: usize) -> Record {
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    with(record, |record| record.started_at = format!("2026-11-23T{hours:02}:{minutes:02}:{seconds:02}Z"))
}

/// Returns two sets of records of several cases and rounds, made in turns. The base comes first in even rounds.
/// `goodput` takes side, case and round.
fn turns(
    cases: usize,
    rounds: usize,
    mut goodput: impl FnMut(usize, usize, usize) -> f64,
) -> (Vec<Record>, Vec<Record>) {
    let mut sides = [Vec::new(), Vec::new()];
    for (round, case) in (0..rounds).flat_map(|round| (0..cases).map(move |case| (round, case))) {
        for (side, records) in sides.iter_mut().enumerate() {
            let place = (side + round) % 2;
            let mut record = at(run("h2"), (2 * round + place) * cases + case);
            record.case.body = record::ByteSize(1 + case as u64);
            record.goodput_bytes_per_s = Some(goodput(side, case, round));
            records.push(record);
        }
    }
    let [base, candidate] = sides;
    (base, candidate)
}

fn uniform(random: &mut Xoshiro256PlusPlus) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX)
}

fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0
}

fn worse(comparison: &Comparison) -> usize {
    comparison.goodputs().filter(|goodput| goodput.change == Change::Worse).count()
}

#[test]
fn halved_goodput_is_found_at_seven_rounds_in_all_of_49_cases_and_in_one() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    for halved in [49, 1] {
        let (base, candidate) = turns(49, 7, |side, case, _| {
            let factor = if side == 1 && case < halved { 0.5 } else { 1.0 };
            3e9 * factor * (0.04 * normal(&mut random)).exp()
        });
        let in_turns = Comparison::of(&base, &candidate, &Thresholds::default());
        assert!(in_turns.cases.iter().all(|case| case.in_turns));
        assert_eq!(worse(&in_turns), halved, "in turns");
        assert_eq!(in_turns.verdict(), Verdict::Slower);
        // The figures are unchanged, but the candidate starts after the end of the base.
        let later = candidate.into_iter().enumerate().map(|(second, record)| at(record, 7200 + second));
        let apart = Comparison::of(&base, &later.collect::<Vec<_>>(), &Thresholds::default());
        assert!(apart.cases.iter().all(|case| !case.in_turns));
        assert_eq!(worse(&apart), halved, "not in turns");
    }
}

#[test]
fn pairs_find_on_a_drifting_machine_what_two_sets_do_not() {
    // The level drifts from round to round with a deviation of 5 %, each run scatters by 2 %, and the candidate is
    // 5 % slower.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let (mut paired, mut unpaired) = (0, 0);
    for _ in 0..200 {
        let mut level = [0.0_f64; 9];
        let mut last = 0.05 * normal(&mut random);
        for level in &mut level {
            last = 0.8 * last + 0.6 * 0.05 * normal(&mut random);
            *level = last;
        }
        let (base, candidate) = turns(1, 9, |side, _, round| {
            let factor = if side == 1 { 0.95 } else { 1.0 };
            3e9 * factor * (level[round] + 0.02 * normal(&mut random)).exp()
        });
        let found = |candidate: &[Record]| worse(&Comparison::of(&base, candidate, &Thresholds::default()));
        paired += found(&candidate);
        let later: Vec<Record> =
            candidate.iter().enumerate().map(|(second, record)| at(record.clone(), 7200 + second)).collect();
        unpaired += found(&later);
    }
    assert!(paired >= 185 && unpaired < 160, "{paired} and {unpaired} of 200");
}

#[test]
fn the_smallest_change_that_is_stated_is_found_in_80_of_100() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut compared = |cases: usize, slowdown: f64| {
        let (base, candidate) = turns(cases, 7, |side, case, _| {
            let factor = if side == 1 && case == 0 { 1.0 - slowdown } else { 1.0 };
            3e9 * factor * (0.03 * normal(&mut random)).exp()
        });
        Comparison::of(&base, &candidate, &"0%".parse().unwrap())
    };
    for cases in [1, 24] {
        let stated: Vec<f64> =
            (0..60).filter_map(|_| compared(cases, 0.0).goodputs().next()?.smallest_change).collect();
        let typical = stated.iter().sum::<f64>() / stated.len() as f64;
        let found = |comparison: &Comparison| comparison.goodputs().next().unwrap().change == Change::Worse;
        let found = (0..200).filter(|_| found(&compared(cases, typical))).count();
        assert!((148..=180).contains(&found), "{cases} cases: {typical} is found in {found} of 200");
    }
}

#[test]
fn a_gate_that_could_not_have_seen_the_threshold_is_inconclusive() {
    let scatter = |deviation: f64| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(4);
        let (base, candidate) = turns(1, 7, |_, _, _| 3e9 * (deviation * normal(&mut random)).exp());
        Comparison::of(&base, &candidate, &Thresholds::default()).verdict()
    };
    assert_eq!([0.005, 0.2].map(scatter), [Verdict::Good, Verdict::Inconclusive]);
}

#[test]
fn a_case_that_is_missing_or_always_fails_does_not_pass() {
    let (h1, h2) = (runs("h1", &STEADY), runs("h2", &STEADY));
    let timeout = || failed("h2", FaultKind::Timeout);
    let base = [h1.clone(), h2, vec![timeout()]].concat();
    assert_eq!(verdict(&base, &base), Verdict::Good);
    assert_eq!(verdict(&base, &h1), Verdict::Inconclusive, "a case is missing");
    assert_eq!(verdict(&h1, &base), Verdict::Good, "a case is new");
    let failing = [h1.clone(), vec![timeout(); 7]].concat();
    let comparison = Comparison::of(&base, &failing, &Thresholds::default());
    let lost = &comparison.cases[1];
    assert_eq!(comparison.verdict(), Verdict::RunFailed, "as in the base, but always");
    assert!(lost.is_lost && lost.new_failures.is_empty() && !lost.distances_differ);
    assert_eq!(verdict(&[h1.clone(), vec![timeout()]].concat(), &h1), Verdict::Good, "nothing is lost");
}

#[test]
fn controls_are_neither_joined_nor_judged() {
    let controls = |runs: &[Record], mib: u64| -> Vec<Record> {
        let control = |record: &Record| {
            with(with_peak(record.clone(), End::Receiver, mib << 20), |record| {
                record.purpose = Some(record::Purpose::Control);
                record.case.sink = record::SinkKind::Collect;
                record.host.kernel = Some(format!("of a control with {mib} MiB"));
            })
        };
        runs.iter().map(control).collect()
    };
    let (h1, h2) = (runs("h1", &STEADY), runs("h2", &STEADY));
    let of = |controls: Vec<Record>| [h1.clone(), controls].concat();
    for (base, candidate) in [
        (of(controls(&h2[..2], 9)), of(controls(&h2[..2], 9))),
        (of(controls(&h2, 9)), of(controls(&h2, 12))),
        (of(controls(&h2, 9)), h1.clone()),
    ] {
        let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
        assert_eq!((comparison.verdict(), comparison.cases.len()), (Verdict::Good, 1));
        assert!(comparison.missing.is_empty() && comparison.circumstances.is_empty());
    }
    let old = with(controls(&h2[..1], 9).remove(0), |record| record.purpose = None);
    let comparison = Comparison::of(&of(vec![old.clone()]), &of(vec![old]), &Thresholds::default());
    assert_eq!((comparison.verdict(), comparison.cases.len()), (Verdict::Good, 1), "without a purpose");
}

#[test]
fn the_fewest_runs_are_those_of_cases_without_an_interval() {
    let fewest = |base: &[Record], candidate: &[Record]| {
        Comparison::of(base, candidate, &Thresholds::default()).fewest_runs
    };
    let (base, candidate) = turns(2, 5, |_, _, round| 3e9 + round as f64);
    assert_eq!(fewest(&base, &candidate), Some(6));
    // The last run of the second case is missing, so that this case has an interval without turns.
    let comparison = Comparison::of(&base, &candidate[..9], &Thresholds::default());
    assert_eq!(comparison.cases.iter().map(|case| case.in_turns).collect::<Vec<_>>(), [true, false]);
    assert_eq!(comparison.fewest_runs, Some(6));
    let (base, candidate) = turns(2, 7, |_, _, round| 3e9 + round as f64);
    let few: Vec<Record> = base.iter().filter(|run| run.case.body.0 == 2).take(3).cloned().collect();
    let of_first = |records: &[Record]| -> Vec<Record> {
        records.iter().filter(|run| run.case.body.0 == 1).cloned().collect()
    };
    let (base, candidate) = ([of_first(&base), few.clone()].concat(), [of_first(&candidate), few].concat());
    assert_eq!(fewest(&base, &candidate), Some(4), "the case in turns has an interval");
}

#[test]
fn power_without_a_decision_is_conclusive_but_not_decided() {
    // The runs of the candidate are about 3 % slower, which the threshold allows, but the interval reaches beyond it.
    let slower = [0.935, 1.003, 0.96, 1.0, 0.94, 0.975, 0.985];
    let (base, candidate) = turns(1, 7, |side, _, round| if side == 1 { 3e9 * slower[round] } else { 3e9 });
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    let goodput = comparison.goodputs().next().unwrap();
    assert_eq!(goodput.change, Change::Unclear, "{goodput:?}");
    assert!(goodput.ratio.interval.unwrap().low < 0.95, "{goodput:?}");
    assert!(goodput.is_conclusive && !goodput.is_decided, "{goodput:?}");
    assert_eq!(comparison.verdict(), Verdict::Good);
}

#[test]
fn another_kernel_or_allocator_is_not_judged_by_speed_unless_any_are_compared() {
    let (base, candidate) = turns(1, 7, |side, _, _| if side == 1 { 2e9 } else { 3e9 });
    let edits: [fn(&mut Record); 2] =
        [|record| record.host.kernel = Some("7.1".into()), |record| record.build.allocator = "system".into()];
    for edit in edits {
        let mut comparing = Comparing::default();
        let mut other = Comparing::default();
        let mut base = base.clone();
        for record in &mut base {
            record.host.kernel = Some("6.18".into());
            record.build.allocator = "jemalloc".into();
            comparing.add_base(record);
            other.add_base(record);
        }
        for (record, known) in candidate.iter().zip(&base) {
            let mut record = record.clone();
            (record.host, record.build) = (known.host.clone(), known.build.clone());
            edit(&mut record);
            comparing.add_candidate(&record);
            other.add_candidate(&record);
        }
        let comparison = comparing.finish(&Thresholds::default(), Machines::One);
        assert_eq!((comparison.verdict(), comparison.differences.len()), (Verdict::Inconclusive, 1));
        let comparison = other.finish(&Thresholds::default(), Machines::Any);
        assert_eq!(comparison.verdict(), Verdict::Slower);
    }
}

#[test]
fn runs_on_distant_cores_do_not_make_the_other_side_faster() {
    // Distant cores reduce goodput to 40 % in one run of the base and in six of the candidate.
    let far = |side: usize, round: usize| if side == 0 { round == 0 } else { round < 6 };
    let (mut base, mut candidate) =
        turns(1, 13, |side, _, round| if far(side, round) { 1.2e9 } else { 3e9 + round as f64 });
    for (side, records) in [&mut base, &mut candidate].into_iter().enumerate() {
        for (round, record) in records.iter_mut().enumerate() {
            let ns = if far(side, round) { 320 } else { 60 };
            record.core_round_trip = Some(record::CoreRoundTrip { before_ns: ns, after_ns: ns });
        }
    }
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!((comparison.verdict(), comparison.cases[0].left_out), (Verdict::Good, (1, 6)));
    let only_far: Vec<Record> =
        candidate.iter().filter(|record| record.core_round_trip.unwrap().is_far()).cloned().collect();
    let comparison = Comparison::of(&base, &only_far, &Thresholds::default());
    assert_eq!(comparison.verdict(), Verdict::Inconclusive);
    assert!(comparison.cases[0].distances_differ);
}

/// Sets the core distance of each run, in nanoseconds; `None` for an unknown one.
fn with_distances(records: &mut [Record], distances: impl Iterator<Item = Option<u64>>) {
    for (record, ns) in records.iter_mut().zip(distances) {
        record.core_round_trip = ns.map(|ns| record::CoreRoundTrip { before_ns: ns, after_ns: ns });
    }
}

#[test]
fn a_run_with_an_unknown_core_distance_counts_with_the_runs_of_its_side() {
    // The candidate is half as fast. One run of it has no distance, the cores of all other runs were far apart.
    let (mut base, mut candidate) =
        turns(1, 7, |side, _, round| (3e9 + round as f64) * if side == 1 { 0.5 } else { 1.0 });
    with_distances(&mut base, [Some(422); 7].into_iter());
    with_distances(&mut candidate, (0..7).map(|round| (round != 3).then_some(422)));
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!(comparison.verdict(), Verdict::Slower);
    assert!(!comparison.cases[0].distances_differ);
    with_distances(&mut base, (0..7).map(|round| (round != 5).then_some(422)));
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!((comparison.verdict(), comparison.cases[0].left_out), (Verdict::Slower, (0, 0)));
    // Beside near runs, far ones are left out, and runs with an unknown distance are not.
    with_distances(&mut base, [Some(60); 7].into_iter());
    with_distances(&mut candidate, [Some(422), None, None, None, None, None, Some(60)].into_iter());
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!((comparison.verdict(), comparison.cases[0].left_out), (Verdict::Slower, (0, 1)));
}

#[test]
fn a_case_without_a_pair_of_goodputs_does_not_pass_beside_a_conclusive_one() {
    let fails = |record: &mut Record| {
        let failed = failed("h2", FaultKind::Timeout);
        (record.outcome, record.error, record.goodput_bytes_per_s) = (failed.outcome, failed.error, None);
    };
    // In the second case, a run of the base fails, and all runs of the candidate but the one in the same round.
    let (mut base, mut candidate) = turns(2, 7, |_, _, round| 3e9 + round as f64);
    let is_lost = |record: &&mut Record| record.case.body.0 == 2;
    base.iter_mut().filter(is_lost).take(1).for_each(fails);
    candidate.iter_mut().filter(is_lost).skip(1).for_each(fails);
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!((comparison.verdict(), comparison.goodputs().count()), (Verdict::Inconclusive, 2));
    assert_eq!(comparison.cases.iter().map(|case| case.in_turns).collect::<Vec<_>>(), [true, false]);
    // The successful run of the candidate has no goodput either.
    candidate.iter_mut().filter(is_lost).for_each(|record| record.goodput_bytes_per_s = None);
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!((comparison.verdict(), comparison.lacking_goodputs()), (Verdict::Inconclusive, 1));
}

#[test]
fn alternating_core_distances_without_a_near_pair_do_not_pass() {
    // The second case is half as fast. Its cores were far apart in even rounds of the base, and in odd rounds of the
    // candidate.
    let (mut base, mut candidate) = turns(2, 7, |side, case, round| {
        (3e9 + round as f64) * if side == 1 && case == 1 { 0.5 } else { 1.0 }
    });
    for (side, records) in [&mut base, &mut candidate].into_iter().enumerate() {
        let far = |run: usize| if run % 2 == 1 && run / 2 % 2 == side { 422 } else { 60 };
        with_distances(records, (0..14).map(|run| Some(far(run))));
    }
    let comparison = Comparison::of(&base, &candidate, &Thresholds::default());
    assert_eq!(comparison.cases[1].left_out, (4, 3));
    assert_eq!((comparison.verdict(), comparison.goodputs().count()), (Verdict::Inconclusive, 2));
}

#[test]
fn empty_bodies_have_no_goodput_to_lack() {
    let empty = |_| with(run("h1"), |record| record.goodput_bytes_per_s = Some(0.0));
    let all = [runs("h2", &STEADY), (0..7).map(empty).collect()].concat();
    assert_eq!(verdict(&all, &all), Verdict::Good);
    assert_eq!(verdict(&all, &all[..7]), Verdict::Good, "an empty body is missing");
}

#[test]
fn one_run_split_in_two_is_no_regression() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let repeats = 200;
    let called = (0..repeats).filter(|_| {
        let mut half = || -> Vec<Record> {
            let protocols = ["tcp", "h1c", "h2c", "tls", "h1", "h2", "quic", "h3"]
                .map(|protocol| runs(protocol, &noisy(&mut random, 3000.0, 7)));
            protocols.concat()
        };
        !matches!(verdict(&half(), &half()), Verdict::Good | Verdict::Inconclusive)
    });
    let called = called.count();
    assert!(called * 20 <= repeats, "{called} of {repeats}");
}

#[test]
fn a_slowdown_of_a_tenth_is_found_with_seven_rounds() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
    let found = (0..200).filter(|_| {
        let noise = |random: &mut Xoshiro256PlusPlus, centre: f64| -> Vec<f64> {
            (0..7).map(|_| centre * (1.0 + 0.04 * (uniform(random) - 0.5))).collect()
        };
        let (base, candidate) = (noise(&mut random, 3000.0), noise(&mut random, 2700.0));
        verdict(&runs("h2", &base), &runs("h2", &candidate)) == Verdict::Slower
    });
    let found = found.count();
    assert!(found >= 198, "{found} of 200");
}

#[test]
fn another_machine_is_not_slower_but_its_memory_is_judged() {
    let goodputs = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0];
    let on = |name: &str, speed: f64, mib: u64| -> Vec<Record> {
        let runs = runs("h2", &goodputs.map(|goodput| goodput * speed)).into_iter();
        runs.map(|record| with_peak(record, End::Sender, mib << 20))
            .map(|record| with(record, |record| record.host.name = Some(name.into())))
            .collect()
    };
    let base = on("fast", 1.0, 8);
    assert_eq!(verdict(&base, &on("fast", 0.5, 8)), Verdict::Slower);
    let comparison = Comparison::of(&base, &on("slow", 0.5, 8), &Thresholds::default());
    assert_eq!(comparison.verdict(), Verdict::Inconclusive);
    assert_eq!(comparison.machines, Some(["fast".into(), "slow".into()]));
    assert!(comparison.changes().all(|c| (c.change == Change::Incomparable) == c.metric.is_speed()));
    assert_eq!(verdict(&base, &on("slow", 0.5, 12)), Verdict::MemoryOver);
    let mixed = [on("fast", 1.0, 8), on("slow", 0.5, 8)].concat();
    assert_eq!(verdict(&mixed, &mixed), Verdict::Inconclusive, "each side has both machines");
}

#[test]
fn memory_decides_before_speed_and_too_few_rounds_are_inconclusive() {
    let peaked = |goodputs: &[f64], mib: u64| -> Vec<Record> {
        let runs = runs("h2", goodputs).into_iter();
        runs.map(|record| with_peak(record, End::Sender, mib << 20)).collect()
    };
    let base = peaked(&[100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0], 8);
    let slow = [50.0, 51.0, 52.0, 53.0, 54.0, 55.0, 56.0];
    assert_eq!(verdict(&base, &peaked(&slow, 8)), Verdict::Slower);
    let candidate = peaked(&slow, 12);
    assert_eq!(verdict(&base, &candidate), Verdict::MemoryOver);
    assert_eq!(verdict(&base[..2], &candidate[..2]), Verdict::Inconclusive);
}
