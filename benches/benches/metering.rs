//! What the meters cost: the same transfers with longhaul's body and loop and with the barest ones, in turns,
//! and the median of the ratios. Criterion compares runs that lie minutes apart, in which a machine drifts by
//! more than the meters take; this compares neighbours.

use std::io::{self, Write as _};

use benches::{Direction, Job, Metering, WarmPair};

/// Long enough that a transfer takes tenths of a second.
const BODY: u64 = 512 << 20;

/// The default.
const CHUNK: u64 = 64 << 10;

/// Pairs of transfers.
const ROUNDS: usize = 11;

fn main() -> io::Result<()> {
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "goodput with meters on, of the same loop without; median, least and most of {ROUNDS} pairs"
    )?;
    for transport in transport::TRANSPORTS {
        let pair = WarmPair::connect(*transport);
        let seconds = |metering| {
            let job = Job { direction: Direction::Up, chunk: CHUNK, size: BODY, metering };
            pair.transfer(job).as_secs_f64()
        };
        seconds(Metering::On);
        let mut ratios: Vec<f64> =
            (0..ROUNDS).map(|_| seconds(Metering::Off) / seconds(Metering::On)).collect();
        ratios.sort_by(f64::total_cmp);
        let [least, median, most] = [0, ROUNDS / 2, ROUNDS - 1].map(|at| ratios[at]);
        writeln!(out, "metering/{}/up/64KiB  {median:.3}  ({least:.3} to {most:.3})", transport.name())?;
    }
    Ok(())
}
