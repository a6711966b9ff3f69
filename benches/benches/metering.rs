//! What the meters cost: the same transfers with longhaul's body and loop and with the barest ones, in turns,
//! and the median of the ratios. Criterion compares runs that lie minutes apart, in which a machine drifts by
//! more than the meters take; this compares each transfer with its two neighbours. It takes criterion's `--quick`,
//! for a first impression, and a part of a name to keep to.

use std::io::{self, Write as _};

use benches::{Direction, Job, Metering, WarmPair};

/// Long enough that a transfer takes tenths of a second.
const BODY: u64 = 512 << 20;

/// The default.
const CHUNK: u64 = 64 << 10;

/// Transfers with meters, and as many for a first impression. Medians of 11 pairs moved by 0.07 over QUIC.
const ROUNDS: (usize, usize) = (21, 1);

fn main() -> io::Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| given.iter().any(|argument| argument == name);
    if flag("--list") || flag("--test") {
        return Ok(());
    }
    let rounds = if flag("--quick") { ROUNDS.1 } else { ROUNDS.0 };
    let part = given.iter().find(|argument| !argument.starts_with('-')).map_or("", String::as_str);
    let mut out = io::stdout().lock();
    let what = "goodput with meters on, of the same loop without; median, least and most";
    writeln!(out, "{what}, rounds: {rounds}")?;
    for transport in transport::TRANSPORTS {
        let name = |direction: Direction| format!("metering/{}/{}/64KiB", transport.name(), direction.name());
        let asked = [Direction::Up, Direction::Down].into_iter().filter(|d| name(*d).contains(part));
        let mut pair = None;
        for direction in asked {
            let pair = pair.get_or_insert_with(|| WarmPair::connect(*transport));
            let [median, least, most] = ratios(pair, direction, rounds);
            writeln!(out, "{:<24} {median:.3} ({least:.3} to {most:.3})", name(direction))?;
        }
    }
    Ok(())
}

/// Median, least and most of the ratios of transfers with meters to those before and after them.
fn ratios(pair: &WarmPair, direction: Direction, rounds: usize) -> [f64; 3] {
    let seconds = |metering| {
        let job = Job { direction, chunk: CHUNK, size: BODY, metering };
        pair.transfer(job).as_secs_f64()
    };
    seconds(Metering::On);
    let mut before = seconds(Metering::Off);
    let mut round = || {
        let on = seconds(Metering::On);
        let after = seconds(Metering::Off);
        let off = f64::midpoint(std::mem::replace(&mut before, after), after);
        off / on
    };
    let mut ratios: Vec<f64> = (0..rounds).map(|_| round()).collect();
    ratios.sort_by(f64::total_cmp);
    [rounds / 2, 0, rounds - 1].map(|at| ratios[at])
}
