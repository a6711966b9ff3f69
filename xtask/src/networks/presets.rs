//! HTTP/1.1, HTTP/2 and HTTP/3 over each preset.

use std::{fs, process::ExitCode};

use analyse::{Analysis, Row};
use anyhow::{Context as _, Result};
use record::{ByteSize, PRESETS, mib};

use super::{Arguments, goodputs, summary};
use crate::study::Table;

/// The default number of rounds, the fewest with an interval.
const ROUNDS: u32 = 6;

/// The bodies at once.
const BODIES: [u64; 2] = [1, 8];

/// The seconds that all bodies of a run take at the rate, where nothing is lost.
const BODY_S: f64 = 2.0;

/// The divisor of bodies over a path with loss, which leaves most of its rate unused.
const LOSSY: u64 = 8;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.new_folder("networks")?;
    let rounds = arguments.rounds.rounds_or(ROUNDS).to_string();
    let configuration = tempfile::NamedTempFile::new().context("no temporary file")?;
    fs::write(configuration.path(), matrices()).context("cannot write the matrices")?;
    let file = configuration.path().to_string_lossy();
    let records = longhaul.bench_into(&["--config", &file, "--rounds", &rounds], &folder)?;
    let analysis = Analysis::of(&records);
    table(&analysis).publish(&folder.join("networks.tsv"))?;
    eprintln!("records and report: {}", folder.display());
    Ok(ExitCode::from(analysis.verdict().exit_code()))
}

/// Returns the matrices of all presets as a file for `--config`.
fn matrices() -> String {
    let mut text = String::from("chunk-size = \"64KiB\"\ndirection = \"both\"\n");
    for (name, network) in PRESETS {
        let rate = network.rate.map_or(1e9, |rate| rate.bytes_per_s());
        let divisor = if network.needs_packets() { LOSSY } else { 1 };
        for bodies in BODIES {
            let size = ByteSize(((rate * BODY_S) as u64 / divisor / bodies).next_power_of_two());
            let matrix = |protocols: &str, axis: &str| {
                format!(
                    "\n[[matrix]]\nprotocol = {protocols}\nnetwork = \"{name}\"\nsize = \"{size}\"\n{axis} = {bodies}\n"
                )
            };
            text += &matrix("[\"h1\"]", "connections");
            text += &matrix("[\"h2\", \"h3\"]", "streams");
        }
    }
    text
}

/// Returns a table with a line for each row of the analysis.
fn table(analysis: &Analysis<'_>) -> Table {
    let heads = [
        "network",
        "direction",
        "bodies",
        "protocol",
        "Mbit/s",
        "of rate",
        "peak RSS MiB",
        "limited by",
        "in runs",
    ];
    let mut table = Table::with_heads(heads);
    for row in &analysis.rows {
        table.push(cells(row));
    }
    table
}

fn cells(row: &Row<'_>) -> Vec<String> {
    let case = &row.case;
    let of = |(name, network): &(&'static str, _)| (Some(*network) == case.network).then_some(*name);
    let name = PRESETS.iter().find_map(of).unwrap_or("-");
    let goodputs = goodputs(row.records.iter().copied());
    let rate = case.network.and_then(|network| network.rate).map(|rate| rate.bytes_per_s() * 8.0 / 1e6);
    let share =
        stats::median(&goodputs).zip(rate).map(|(median, rate)| format!("{:.0} %", 100.0 * median / rate));
    let peaks = row.records.iter().flat_map(|record| [&record.sender, &record.receiver]).flatten();
    let peak = peaks.filter_map(|end| end.memory.peak_rss_bytes).max().unwrap_or_default();
    let mut causes: Vec<_> =
        row.records.iter().filter_map(|record| record.limited_by.as_ref()).map(|by| by.cause).collect();
    causes.sort_unstable();
    let count = |cause| causes.iter().filter(|other| **other == cause).count();
    let most = causes.iter().copied().max_by_key(|cause| count(*cause));
    vec![
        name.into(),
        case.direction.to_string(),
        case.bodies().to_string(),
        case.protocol.clone(),
        summary(&goodputs),
        share.unwrap_or_default(),
        format!("{:.1}", mib(peak)),
        most.map_or("-".into(), |cause| cause.to_string()),
        most.map_or("-".into(), |cause| format!("{} of {}", count(cause), row.records.len())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrices_have_every_preset_with_one_and_with_eight_bodies() {
        let text = matrices();
        assert_eq!(text.matches("[[matrix]]").count(), PRESETS.len() * 4);
        assert!(text.contains("network = \"wan\"\nsize = \"128MiB\"\nstreams = 1\n"), "{text}");
        assert!(text.contains("network = \"wan\"\nsize = \"16MiB\"\nconnections = 8\n"), "{text}");
    }
}
