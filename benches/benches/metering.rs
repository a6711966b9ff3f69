//! The cost of the meters. Equal transfers run in turns with longhaul's body and loop and with minimal ones; the result
//! is the median of the ratios with its interval.
//!
//! Criterion compares runs that lie minutes apart. In that time a machine drifts by more than the meters cost. Here
//! each metered transfer is compared with its two neighbours. The bench accepts criterion's `--quick`, for a first
//! impression, and a part of a name as a filter. Criterion's other flags have no effect, such as those of baselines.

use std::{
    io::{self, Write as _},
    mem::replace,
};

use benches::{Instruments, WarmPair};
use record::{Case, ChunkSize, Direction, PROTOCOLS, Protocol};
use stats::{Interval, Ratio, Spread, paired_ratio};

/// The chunk sizes, and the body size for each, in bytes. Bodies are large enough that a transfer takes tenths of a
/// second. The goodput of small chunks is a hundredth of that of large ones.
const CHUNKS: [(u64, u64); 4] =
    [(64, 16 << 20), (1 << 10, 128 << 20), (16 << 10, 512 << 20), (64 << 10, 512 << 20)];

/// The body size of a ceiling, in bytes, which `bench` runs with one chunk size only.
const CEILING_BODY: u64 = 2 << 30;

/// The number of metered transfers, in full and for a first impression. Medians of 11 pairs moved by 0.07 over QUIC.
const ROUNDS: (usize, usize) = (21, 1);

/// The share of each body that a first impression transfers. Whole bodies take over a minute for all cases, half of what
/// all benches may take with `--quick`.
const QUICK_SHARE: u64 = 4;

/// The confidence of the intervals. It is approximate, since neighbouring pairs share one transfer.
const CONFIDENCE: f64 = 0.95;

fn main() -> io::Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| given.iter().any(|argument| argument == name);
    if flag("--list") || flag("--test") {
        return Ok(());
    }
    let (rounds, share) = if flag("--quick") { (ROUNDS.1, QUICK_SHARE) } else { (ROUNDS.0, 1) };
    let part = filter(&given);
    let mut out = io::stdout().lock();
    let what = "goodput with meters over that without: median [95 % interval] (least to most)";
    writeln!(out, "{what}, rounds: {rounds}")?;
    let mut found = false;
    for protocol in PROTOCOLS {
        let mut pair = None;
        for case in cases(protocol, share).iter().filter(|case| name(case).contains(part)) {
            found = true;
            let pairs = seconds(pair.get_or_insert_with(|| WarmPair::connect(protocol)), case, rounds);
            if let Some(line) = describe(&pairs) {
                writeln!(out, "{:<24} {line}", name(case))?;
            }
        }
    }
    if !found {
        writeln!(out, "no case has '{part}' in its name")?;
    }
    Ok(())
}

/// The flags of criterion that take a value.
const WITH_VALUE: [&str; 19] = [
    "--baseline",
    "--baseline-lenient",
    "--color",
    "--confidence-level",
    "--format",
    "--load-baseline",
    "--measurement-time",
    "--noise-threshold",
    "--nresamples",
    "--output-format",
    "--plotting-backend",
    "--profile-time",
    "--sample-size",
    "--save-baseline",
    "--significance-level",
    "--warm-up-time",
    "-b",
    "-c",
    "-s",
];

/// Returns the first argument that is neither a flag nor the value of one; empty without a filter.
fn filter(given: &[String]) -> &str {
    let mut words = given.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return word;
        }
    }
    ""
}

/// Returns the cases of a protocol, with the given share of each body.
fn cases(protocol: &'static Protocol, share: u64) -> Vec<Case> {
    let cases = |chunk, body: u64| benches::cases(protocol, &Direction::ALL, &[chunk], body / share);
    if protocol.is_ceiling() {
        return cases(ChunkSize::CEILING.get() as u64, CEILING_BODY);
    }
    CHUNKS.into_iter().flat_map(|(chunk, body)| cases(chunk, body)).collect()
}

fn name(case: &Case) -> String {
    format!("metering/{}/{}/{}", case.protocol, case.direction, case.chunk)
}

/// Returns the time of each metered transfer, and the mean time of its two neighbours without meters, in seconds.
fn seconds(pair: &WarmPair, case: &Case, rounds: usize) -> Vec<(f64, f64)> {
    let seconds = |instruments| pair.transfer(case, instruments).as_secs_f64();
    seconds(Instruments::Meters);
    let mut before = seconds(Instruments::None);
    let mut round = || {
        let metered = seconds(Instruments::Meters);
        let after = seconds(Instruments::None);
        (metered, f64::midpoint(replace(&mut before, after), after))
    };
    (0..rounds).map(|_| round()).collect()
}

/// Formats the ratio of goodputs, which is the inverse of the ratio of times. `None` if there are no pairs.
fn describe(pairs: &[(f64, f64)]) -> Option<String> {
    let Ratio { estimate, interval } = paired_ratio(pairs, CONFIDENCE)?;
    let ratios: Vec<f64> = pairs.iter().map(|(metered, bare)| bare / metered).collect();
    let Spread { least, most, .. } = Spread::of(&ratios)?;
    let interval = interval.map_or("-".into(), |Interval { low, high }| format!("[{low:.3}, {high:.3}]"));
    Some(format!("{estimate:.3} {interval} ({least:.3} to {most:.3})"))
}
