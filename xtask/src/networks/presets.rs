//! HTTP/1.1, HTTP/2 and HTTP/3 over each preset.
//!
//! All cross the relay of packets. That of sockets ends TCP, so that only HTTP/3 would show a slow start and its congestion
//! controller.

use std::{fs, process::ExitCode, time::Duration};

use analyse::{Analysis, Row};
use anyhow::{Context as _, Result};
use record::{ByteSize, CONGESTION, NetworkSpec, PRESETS, RelayKind, mib};

use super::{Arguments, goodputs, summary};
use crate::study::Table;

/// The default number of rounds, the fewest with an interval.
const ROUNDS: u32 = 6;

/// The bodies at once.
const BODIES: [u64; 2] = [1, 8];

/// The seconds that all bodies of a run take at the rate, where nothing is lost.
const BODY_S: f64 = 2.0;

/// The congestion controllers. The kernel's default differs between hosts, and that of QUIC is CUBIC. Only over a path with
/// loss, which CUBIC takes for a full queue, does the second one make a difference worth its time.
const CONTROLLERS: [&str; 2] = ["cubic", "bbr"];

/// The smallest window of a path, in bytes.
const LEAST_WINDOW: u64 = 1 << 20;

/// The largest socket buffer that Linux grants a user by default, in bytes (net.core.rmem_max since Linux 6.15), and the
/// most that its own tuning takes for sending (net.ipv4.tcp_wmem).
const MOST_SOCKET_BUFFER: u64 = 4 << 20;

/// The divisor of bodies over a path with loss, which leaves much of its rate unused, and most of it from
/// [`MUCH_LOSS`] on.
const LOSSY: [u64; 2] = [2, 8];

/// The packets in a million whose loss leaves most of a rate unused.
const MUCH_LOSS: u32 = 1000;

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
        let is_lossy = network.needs_packets();
        let divisor = if is_lossy { LOSSY[usize::from(network.loss_per_million >= MUCH_LOSS)] } else { 1 };
        let controllers = if is_lossy { &CONTROLLERS[..] } else { &CONTROLLERS[..1] };
        let runs = BODIES.iter().flat_map(|bodies| controllers.iter().map(move |name| (*bodies, *name)));
        for (bodies, congestion) in runs {
            let window = window(rate, network.rtt);
            let size = ByteSize(((rate * BODY_S) as u64 / divisor / bodies).next_power_of_two());
            let matrix = |protocols: &str, axis: &str| {
                let case = format!(
                    "protocol = {protocols}\nnetwork = \"{name},relay=packets\"\ncongestion = \"{congestion}\"\n"
                );
                format!("\n[[matrix]]\n{case}size = \"{size}\"\n{axis} = {bodies}\n{window}")
            };
            text += &matrix("[\"h1\"]", "connections");
            text += &matrix("[\"h2\", \"h3\"]", "streams");
        }
    }
    text
}

/// Returns the flags of windows that hold the bytes of a path twice: what limits a transfer is then the path, or how a protocol
/// uses it. The defaults are for loopback.
fn window(bytes_per_s: f64, rtt: Duration) -> String {
    let window = ((bytes_per_s * rtt.as_secs_f64() * 2.0) as u64).next_power_of_two().max(LEAST_WINDOW);
    let of = |flag: &str, bytes| format!("{flag} = \"{}\"\n", ByteSize(bytes));
    let own = ["h2-window", "quic-window", "quic-connection-window", "quic-send-window"];
    let own: String = own.iter().map(|flag| of(flag, window)).collect();
    own + &of("socket-buffer", window.min(MOST_SOCKET_BUFFER))
}

/// Returns a table with a line for each row of the analysis.
fn table(analysis: &Analysis<'_>) -> Table {
    let heads = [
        "network",
        "direction",
        "bodies",
        "protocol",
        "congestion",
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
    let relayed = |network: NetworkSpec| NetworkSpec { relay: RelayKind::Packets, ..network };
    let is_meant = |(_, network): &&(_, NetworkSpec)| Some(relayed(*network)) == case.network;
    let name = PRESETS.iter().find(is_meant).map_or("-", |(name, _)| *name);
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
        case.limits.choice(&CONGESTION).unwrap_or("auto").into(),
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
        let lossy = PRESETS.iter().filter(|(_, network)| network.needs_packets()).count();
        assert_eq!(text.matches("[[matrix]]").count(), (PRESETS.len() + lossy) * 4);
        let wan = "network = \"wan,relay=packets\"\ncongestion = \"cubic\"\nsize = ";
        assert!(text.contains(&format!("{wan}\"128MiB\"\nstreams = 1\n")), "{text}");
        assert!(text.contains(&format!("{wan}\"16MiB\"\nconnections = 8\n")), "{text}");
    }
}
