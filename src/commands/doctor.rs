//! `longhaul doctor`: the conditions of this machine that spoil figures, and the scatter of figures on it.

use std::{fmt::Write as _, slice, time::Duration};

use analyse::Verdict;
use anyhow::{Context as _, bail};
use record::{Case, ChunkSize, IdlePolicy, PROTOCOLS, Record, SinkKind, mib_per_s};
use run::{
    Affinity, ProcessExecutor, Session, Settings, Unobserved,
    machine::{Diagnosis, IdleGuard, Needs, examine},
    this_host,
};
use stats::{Quartiles, quartiles};

use crate::{build::this_build, exit::Usage, output::print};

/// The time for which the cores are watched.
const WATCH: Duration = Duration::from_secs(1);

/// The runs of the case: enough for quartiles.
const ROUNDS: u32 = 11;

/// The idle timeout of a run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs the command.
pub(super) fn main() -> anyhow::Result<Verdict> {
    let host = this_host();
    let text = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
    print(&format!("{}, {} {}\n\n", text(host.cpu), host.os, text(host.kernel)))?;
    print(&listed(&examine(&Needs::by_default(this_build()), WATCH)))?;
    let case = case()?;
    let scatter = quartiles(&repeat(&case, ROUNDS)?).context("no run was measured")?;
    print(&described(&case, &scatter))?;
    Ok(Verdict::Good)
}

fn listed(diagnoses: &[Diagnosis]) -> String {
    let mut text = String::new();
    for Diagnosis { name, observed, problem, .. } in diagnoses {
        // Writing to a string does not fail.
        let _ = match problem {
            None => writeln!(text, " good  {name}: {observed}"),
            Some(problem) => {
                let (cost, remedy) = (&problem.cost, &problem.remedy);
                writeln!(text, " BAD   {name}: {observed}\n       cost:   {cost}\n       remedy: {remedy}")
            }
        };
    }
    text
}

/// A short transfer without HTTP: longhaul itself does the least work, and disturbances have little time.
fn case() -> anyhow::Result<Case> {
    let baseline = PROTOCOLS.iter().find(|protocol| !protocol.is_http() && !protocol.is_encrypted());
    let mut case = Case::new(baseline.ok_or_else(|| Usage::new("there is no protocol without HTTP"))?.name);
    case.chunk = ChunkSize::try_from(1 << 20)?;
    case.body = "1GiB".parse()?;
    case.sink = SinkKind::Discard;
    Ok(case)
}

/// The goodput of each of `rounds` runs of a case, in bytes per second. No record is kept.
///
/// # Errors
/// A run failed.
fn repeat(case: &Case, rounds: u32) -> anyhow::Result<Vec<f64>> {
    let executor = ProcessExecutor::of_this_program(Settings::new(TIMEOUT))?.on(Affinity::Auto);
    let _idle = IdleGuard::keep(IdlePolicy::Poll, Affinity::Auto.cores());
    let session = Session::new(this_host(), this_build());
    let mut goodputs = Vec::new();
    let mut keep = |record: &Record| {
        if let Some(fault) = &record.error {
            bail!("{}: {}", record.case.key(), fault.message);
        }
        goodputs.extend(record.goodput_bytes_per_s);
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut observer = Unobserved;
    runtime.block_on(session.run(slice::from_ref(case), rounds, &executor, &mut observer, &mut keep))?;
    Ok(goodputs)
}

/// The scatter of goodputs as deviations from their median. A change within the middle half of the runs means nothing:
/// half of all runs deviate by more.
fn described(case: &Case, goodputs: &Quartiles) -> String {
    let deviation = |goodput: f64| 100.0 * (goodput / goodputs.median - 1.0);
    let range = |low, high| format!("{:+.1} to {:+.1} %", deviation(low), deviation(high));
    let floor = deviation(goodputs.third).max(-deviation(goodputs.first));
    format!(
        "\nnoise of {ROUNDS} runs of {}: median {:.0} MiB/s, the middle half {}, all {}\n\
         A change of a single run by {floor:.1} % or less says nothing here.\n",
        case.key(),
        mib_per_s(goodputs.median),
        range(goodputs.first, goodputs.third),
        range(goodputs.least, goodputs.most),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scatter_is_described_as_deviations_from_the_median() {
        let goodputs = [90.0, 120.0, 100.0, 98.0, 104.0].map(|mib| mib * f64::from(1 << 20));
        let text = described(&case().unwrap(), &quartiles(&goodputs).unwrap());
        assert!(
            text.contains("median 100 MiB/s, the middle half -2.0 to +4.0 %, all -10.0 to +20.0 %"),
            "{text}"
        );
        assert!(text.contains("by 4.0 % or less"), "{text}");
    }
}
