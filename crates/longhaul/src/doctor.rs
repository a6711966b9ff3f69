//! `longhaul doctor`: what on this machine would spoil a measurement, and how much figures scatter here anyway.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use payload::{ChunkSize, Kind};
use transport::Limits;

use crate::{
    bench::repeat,
    case::{Case, DEFAULT_SEED, Direction, Rates, SinkKind},
    exit::{Usage, Verdict},
    host::Host,
    machine::{Finding, Needs, examine},
    matrix::Matrix,
    size::{ByteSize, mib_per_s},
    stdout::print,
};

/// How long the cores are watched.
const WATCH: Duration = Duration::from_secs(1);

/// How often the case is run: enough for quartiles.
const ROUNDS: u32 = 11;

/// Runs the command.
pub(crate) fn main() -> anyhow::Result<Verdict> {
    let host = Host::here();
    let text = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
    print(&format!("{}, {} {}\n\n", text(host.cpu), host.os, text(host.kernel)))?;
    let findings = examine(Needs::default(), WATCH);
    print(&listed(&findings))?;
    let case = case()?;
    let noise = Noise::of(repeat(&case, ROUNDS)?).context("no run was measured")?;
    print(&noise.told(&case))?;
    Ok(Verdict::Good)
}

fn listed(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { name, seen, trouble } in findings {
        // Writing to a string does not fail.
        let _ = match trouble {
            None => writeln!(text, " good  {name}: {seen}"),
            Some(trouble) => {
                let (cost, mend) = (&trouble.cost, &trouble.mend);
                writeln!(text, " BAD   {name}: {seen}\n       costs: {cost}\n       mend:  {mend}")
            }
        };
    }
    text
}

/// The case with the least of our own in it, and short, so that little can happen meanwhile.
fn case() -> anyhow::Result<Case> {
    let matrix = Matrix {
        protocols: transport::by_name("tcp").into_iter().collect(),
        directions: vec![Direction::Up],
        chunks: vec![ChunkSize::try_from(1 << 20)?],
        bodies: vec![ByteSize(1 << 30)],
        payload: Kind::Random,
        seed: DEFAULT_SEED,
        sink: SinkKind::Discard,
        connections: 1,
        streams: 1,
        rates: Rates { reader: None, limit: None },
        limits: Limits::default(),
    };
    let cases = matrix.cases()?;
    Ok(cases.into_iter().next().ok_or_else(|| Usage("there is no protocol 'tcp'".into()))?)
}

/// How goodputs of one case scatter.
#[derive(Debug, PartialEq)]
struct Noise {
    median: f64,
    /// First and third quartile, as deviations from the median.
    middle: (f64, f64),
    /// The least and the most, likewise.
    all: (f64, f64),
}

impl Noise {
    fn of(mut goodputs: Vec<f64>) -> Option<Self> {
        goodputs.sort_by(f64::total_cmp);
        let at = |share: usize| goodputs.get(goodputs.len().checked_sub(1)? * share / 4).copied();
        let median = at(2)?;
        let deviation = |goodput: f64| goodput / median - 1.0;
        let between = |low, high| Some((deviation(at(low)?), deviation(at(high)?)));
        Some(Self { median, middle: between(1, 3)?, all: between(0, 4)? })
    }

    /// Half of all runs are further off than the middle half reaches, so a smaller change says nothing.
    fn floor(&self) -> f64 {
        self.middle.1.max(-self.middle.0)
    }

    fn told(&self, case: &Case) -> String {
        let percent = |(low, high): (f64, f64)| format!("{:+.1} to {:+.1} %", 100.0 * low, 100.0 * high);
        format!(
            "\nnoise of {ROUNDS} runs of {}: median {:.0} MiB/s, the middle half {}, all {}\n\
             A change of a single run by {:.1} % or less says nothing here.\n",
            case.name(),
            mib_per_s(self.median),
            percent(self.middle),
            percent(self.all),
            100.0 * self.floor(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_told_as_deviations_from_the_median() {
        let noise = Noise::of(vec![90.0, 120.0, 100.0, 98.0, 104.0]).unwrap();
        let rounded = |(low, high): (f64, f64)| ((low * 100.0).round(), (high * 100.0).round());
        assert_eq!(
            (noise.median, rounded(noise.middle), rounded(noise.all)),
            (100.0, (-2.0, 4.0), (-10.0, 20.0))
        );
        assert!((noise.floor() - 0.04).abs() < 1e-9);
        assert_eq!(Noise::of(Vec::new()), None);
    }
}
