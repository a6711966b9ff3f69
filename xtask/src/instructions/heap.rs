//! The cost of counting the live heap: its share of the instructions in user space, times the share of an end's
//! processor time that is spent there. callgrind cannot see the kernel, which copies the bytes of a transfer.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use record::{EndRecord, Record};
use stats::median;

use super::{BODIES, Count, MORE, measure};
use crate::study::{Longhaul, RecordFile, build};

/// The largest share of an end's processor time that counting may take.
const MOST: f64 = 0.01;

/// The transfers that tell user from system time: those of the example `turns`, over sockets.
const TRANSFERS: [&str; 10] = [
    "--protocol",
    "h1c,h2c",
    "--direction",
    "up",
    "--chunk-size",
    "64KiB",
    "--size",
    "1GiB",
    "--rounds",
    "5",
];

/// One end, with the cost of counting its heap.
#[derive(Debug, PartialEq)]
struct Cost {
    protocol: String,
    end: String,
    /// The instructions that counting adds, as a share of those in user space.
    instructions: f64,
    /// The share of the processor time that is spent in user space, without busy-polling.
    in_user_space: f64,
}

impl Cost {
    /// The share of the processor time.
    fn of_time(&self) -> f64 {
        self.instructions * self.in_user_space
    }
}

/// Prints the cost at each end; exit 3 if it is over the bound.
pub(super) fn print() -> Result<ExitCode> {
    let (without, with) = (measure(BODIES, &["uncounted"])?, measure(BODIES, &[])?);
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut file = RecordFile::create(folder.path().join("records.jsonl"))?;
    let records = Longhaul::new(build()?, &[]).bench(&TRANSFERS, &mut file)?;
    let costs: Vec<Cost> = without
        .iter()
        .zip(&with)
        .map(|(without, with)| cost(without, with, &records))
        .collect::<Result<_>>()?;
    io::stdout().write_all(shown(&costs).as_bytes()).context("cannot write to stdout")?;
    Ok(if costs.iter().any(|cost| cost.of_time() > MOST) { ExitCode::from(MORE) } else { ExitCode::SUCCESS })
}

/// Returns the cost of one end. The protocols of the example are those without TLS.
fn cost(without: &Count, with: &Count, records: &[Record]) -> Result<Cost> {
    let of_end = |record: &Record| -> Option<f64> {
        let end = if without.end == "sender" { &record.sender } else { &record.receiver };
        user_share(end.as_ref()?)
    };
    let protocol = format!("{}c", without.protocol);
    let shares: Vec<f64> =
        records.iter().filter(|record| record.case.protocol == protocol).filter_map(of_end).collect();
    Ok(Cost {
        protocol: without.protocol.clone(),
        end: without.end.clone(),
        instructions: with.per_mib as f64 / without.per_mib as f64 - 1.0,
        in_user_space: median(&shares).with_context(|| format!("no run of {protocol} ended well"))?,
    })
}

/// Returns the share of an end's processor time that is spent in user space. Busy-polling is not work.
fn user_share(end: &EndRecord) -> Option<f64> {
    let cpu = &end.cpu;
    let (user, system, spin) = (cpu.user_s?, cpu.system_s?, cpu.spin_s?);
    let work = user + system - spin;
    (work > 0.0).then(|| ((user - spin) / work).clamp(0.0, 1.0))
}

/// Returns one line per end.
fn shown(costs: &[Cost]) -> String {
    costs.iter().fold(String::new(), |mut text, cost| {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} {:<8}  {:+.2} % of the instructions in user space, where {:.0} % of the time is spent: {:+.2} % of the time",
            cost.protocol,
            cost.end,
            100.0 * cost.instructions,
            100.0 * cost.in_user_space,
            100.0 * cost.of_time(),
        );
        text
    })
}

#[cfg(test)]
mod tests {
    use record::{Case, CpuRecord};

    use super::*;

    fn record(user_s: f64, system_s: f64, spin_s: f64) -> Record {
        let mut record = Record::new("some run", Case::new("h1c"));
        let mut end = EndRecord::default();
        end.cpu = CpuRecord::of(user_s, system_s, spin_s, 1 << 30);
        record.receiver = Some(end);
        record
    }

    #[test]
    fn the_cost_is_a_share_of_the_time_without_busy_polling() {
        let count = |per_mib| Count { protocol: "h1".into(), end: "receiver".into(), per_mib };
        // 0.1 s of 0.4 s are work in user space.
        let cost = cost(&count(1000), &count(1020), &[record(0.3, 0.3, 0.2)]).unwrap();
        assert!((cost.of_time() - 0.02 * 0.25).abs() < 1e-9, "{cost:?}");
        assert!(shown(&[cost]).contains("+2.00 % of the instructions"), "both shares are shown");
    }

    #[test]
    fn without_a_run_there_is_no_cost() {
        let count = Count { protocol: "h1".into(), end: "sender".into(), per_mib: 1000 };
        assert!(cost(&count, &count, &[record(0.3, 0.3, 0.2)]).is_err());
        assert!(cost(&count, &count, &[]).is_err());
    }
}
