//! `longhaul doctor`: the conditions of this machine that spoil figures, and the noise of figures on it.

use std::time::Duration;

use analyse::{Analysis, Screen, Tone, Verdict};
use anyhow::{Context as _, bail};
use record::{Case, ChunkSize, IdlePolicy, Record, SinkKind, mib_per_s};
use run::{
    Affinity, ProcessExecutor, Session, Settings, Stop, Unobserved,
    machine::{Cores, Diagnosis, IdleGuard, Needs, Physics, examine},
    this_host,
};
use stats::{Noise, median};

use crate::{
    output::{print, stdout_screen},
    program::{allocator_settings, this_build},
};

/// The time for which the cores are observed.
const WATCH: Duration = Duration::from_secs(1);

/// The number of runs of each case. From these, the standard deviation is known within 40 %.
const ROUNDS: u32 = 11;

/// The protocols whose noise is measured: the one with the least work, the most used one, and the one with the most
/// packets.
const NOISY: [&str; 3] = ["tcp", "h2", "h3"];

/// The slowdown, as a share, for which `doctor` states the number of rounds that reveal it.
const SLOWDOWN: f64 = 0.05;

/// The idle timeout of a run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs `longhaul doctor`.
pub(super) fn main() -> anyhow::Result<Verdict> {
    let host = this_host();
    let text = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
    print(&format!("{}, {} {}\n\n", text(host.cpu), host.os, text(host.kernel)))?;
    let diagnoses = examine(&Needs::by_default(this_build(), allocator_settings()), WATCH);
    print(&listed(&diagnoses, &stdout_screen()))?;
    if let Some(cores) = Cores::choose() {
        print(&format!("\nspeed of this machine without a protocol:\n{}", Physics::measure(cores)))?;
    }
    let cases = cases()?;
    let Some(records) = repeat(&cases, ROUNDS)? else { return Ok(Verdict::Interrupted) };
    print(&format!("\nnoise of {ROUNDS} runs each, in turns:\n"))?;
    for case in &cases {
        let of_case = records.iter().filter(|record| record.case.protocol == case.protocol);
        let goodputs: Vec<f64> = of_case.filter_map(|record| record.goodput_bytes_per_s).collect();
        print(&described(case, &goodputs).context("no run was measured")?)?;
    }
    if let Some(packets) = Analysis::of(&records).packets {
        print(&format!(" {packets}\n"))?;
    }
    Ok(Verdict::Good)
}

fn listed(diagnoses: &[Diagnosis], screen: &Screen) -> String {
    let line = |Diagnosis { name, observed, problem, .. }: &Diagnosis| match problem {
        None => screen.wrapped(&format!(" {}  {name}: {observed}", screen.paint(Tone::Good, "good"))),
        Some(problem) => {
            let head = screen.wrapped(&format!(" {}   {name}: {observed}", screen.paint(Tone::Bad, "BAD")));
            let cost = screen.wrapped(&format!("       cost:   {}", problem.cost));
            // A command can be copied only if it is in one line.
            format!("{head}{cost}       remedy: {}\n", problem.remedy)
        }
    };
    diagnoses.iter().map(line).collect()
}

/// Returns cases of short transfers, in which disturbances have little time. The bodies are discarded, so that no
/// digest adds to the noise.
fn cases() -> anyhow::Result<Vec<Case>> {
    let case = |protocol: &&str| {
        let mut case = Case::new(*protocol);
        case.chunk = ChunkSize::try_from(1 << 20)?;
        case.body = "512MiB".parse()?;
        case.sink = SinkKind::Discard;
        Ok(case)
    };
    NOISY.iter().map(case).collect()
}

/// Returns the records of `rounds` interleaved runs of each case; `None` if a signal interrupted the runs.
///
/// # Errors
/// Fails if a run failed.
fn repeat(cases: &[Case], rounds: u32) -> anyhow::Result<Option<Vec<Record>>> {
    let executor = ProcessExecutor::of_this_program(Settings::new(TIMEOUT))?.on(Affinity::Auto);
    let _idle = IdleGuard::keep(IdlePolicy::Poll, Affinity::Auto.cores(1).as_ref());
    let session = Session::new(this_host(), this_build());
    let mut records = Vec::new();
    let mut keep = |record: &Record| {
        if let Some(fault) = &record.error {
            bail!("{}: {}", record.case.key(), fault.message);
        }
        records.push(record.clone());
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut observer = Unobserved;
    let stop = runtime.block_on(session.run(cases, rounds, &executor, &mut observer, &mut keep))?;
    Ok((stop != Stop::Interrupted).then_some(records))
}

/// Describes the noise of a case: the differences that are insignificant here, and the rounds that reveal a slowdown of
/// [`SLOWDOWN`].
fn described(case: &Case, goodputs: &[f64]) -> Option<String> {
    let (median, noise) = (median(goodputs)?, Noise::of(goodputs)?);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let rounds = noise.rounds_to_see(SLOWDOWN).map_or("more than 1,000".into(), |rounds| rounds.to_string());
    Some(format!(
        " {}: median {:.0} MiB/s\n       two runs differ by up to {}, two medians of seven by {};\n       \
         comparing one case takes {rounds} rounds to see a change of {:.0} %\n",
        case.key(),
        mib_per_s(median),
        percent(noise.two_runs()),
        percent(noise.two_medians(7)),
        100.0 * SLOWDOWN,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_described_by_differences_and_rounds() {
        let cases = cases().unwrap();
        assert!(cases.iter().all(|case| record::Protocol::by_name(&case.protocol).is_some()));
        let around = [97.0, 98.0, 99.0, 99.5, 100.0, 100.0, 100.0, 100.5, 101.0, 102.0, 103.0];
        let goodputs = around.map(|mib| mib * f64::from(1 << 20));
        let text = described(&cases[0], &goodputs).unwrap();
        // The deviation is 1.7 %; with ten degrees of freedom, 5 of 100 exceed 2.23 of them.
        assert!(text.starts_with(" tcp/up/1MiB/512MiB+sink=discard: median 100 MiB/s\n"), "{text}");
        assert!(text.contains("two runs differ by up to 5.5 %, two medians of seven by 2.6 %;"), "{text}");
        assert!(text.contains("comparing one case takes 6 rounds to see a change of 5 %\n"), "{text}");
        assert_eq!(described(&cases[0], &[]), None);
    }
}
