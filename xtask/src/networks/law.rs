//! The law of windows: goodput is what circulates of the window in a round trip, up to the rate.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use record::{ByteSize, Protocol, Record};
use run::path_plan::{Path, admitted_goodput};

use super::{Arguments, goodputs, summary};
use crate::study::{RecordFile, Table};

/// The windows in bytes.
const WINDOWS: [u64; 5] = [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];

/// The round-trip times in milliseconds.
const ROUND_TRIPS_MS: [u64; 5] = [5, 10, 20, 40, 80];

/// The rate in Mbit/s, which bounds the larger windows over the shorter paths.
const RATE: u64 = 200;

/// The least seconds of a body at the expected goodput.
const BODY_S: f64 = 4.0;

/// The least round trips of a body at the expected goodput. With 50 of them, the growth of quinn's congestion window at
/// the beginning takes a tenth of the goodput over 80 ms.
const BODY_ROUND_TRIPS: u64 = 150;

/// The largest difference from the law, as a share of it.
const TOLERANCE: f64 = 0.1;

/// The default number of rounds.
const ROUNDS: u32 = 3;

/// The exit code if a median is not what the law says.
const OFF: u8 = 1;

/// The rows, with the flags that set their windows. TCP ends at the relay, whose window is its queue.
const ROWS: [(&str, &[&str]); 3] =
    [("h1", &[]), ("h2", &["--h2-window"]), ("h3", &["--quic-window", "--quic-connection-window"])];

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("networks-law")?;
    let rounds = arguments.rounds.rounds_or(ROUNDS).to_string();
    let mut file = RecordFile::create_in(&folder)?;
    let heads = [
        "row",
        "window",
        "rtt ms",
        "window / rtt Mbit/s",
        "law Mbit/s",
        "measured Mbit/s",
        "ratio to the law",
    ];
    let (mut table, mut off) = (Table::with_heads(heads), 0);
    for rtt_ms in ROUND_TRIPS_MS {
        for window in WINDOWS {
            let path = Path::new(RATE as f64 * 1e6, Duration::from_millis(rtt_ms)).context("no such path")?;
            let all = (window as f64 * 8.0 / 1e3 / rtt_ms as f64).min(RATE as f64);
            for (row, flags) in ROWS {
                let protocol = Protocol::by_name(row).with_context(|| format!("no protocol {row}"))?;
                let law = admitted_goodput(protocol, path, window) * 8.0 / 1e6;
                let words = words(row, flags, window, rtt_ms, law);
                let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
                words.extend(["--rounds", &rounds, "--chunk-size", "16KiB", "--sink", "discard"]);
                let records = longhaul.bench(&words, &mut file)?;
                let (text, ratio) = against(law, &records);
                let cell = ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
                off += u32::from(ratio.is_none_or(|ratio| (ratio - 1.0).abs() > TOLERANCE));
                table.push([
                    row.into(),
                    ByteSize(window).to_string(),
                    rtt_ms.to_string(),
                    format!("{all:.1}"),
                    format!("{law:.1}"),
                    text,
                    cell,
                ]);
            }
        }
    }
    table.publish(&folder.join("law.tsv"))?;
    file.compress()?;
    eprintln!(
        "{off} of {} cells are more than 10 % from the law",
        ROWS.len() * WINDOWS.len() * ROUND_TRIPS_MS.len()
    );
    Ok(if off == 0 { ExitCode::SUCCESS } else { ExitCode::from(OFF) })
}

/// Returns the flags of a cell: its row, its network, its window, and a body of some seconds.
fn words(row: &str, flags: &[&str], window: u64, rtt_ms: u64, law: f64) -> Vec<String> {
    // Windows of a protocol's own lie within that of the relay.
    let queue = if flags.is_empty() { format!(",queue={}", ByteSize(window)) } else { String::new() };
    let seconds = BODY_S.max((BODY_ROUND_TRIPS * rtt_ms) as f64 / 1e3);
    let body = ByteSize((law * 1e6 / 8.0 * seconds) as u64);
    let mut words = vec![
        "--protocol".into(),
        row.into(),
        "--network".into(),
        format!("rtt={rtt_ms}ms,rate={RATE}Mbit{queue}"),
        "--size".into(),
        body.to_string(),
    ];
    for flag in flags {
        words.extend([(*flag).to_owned(), ByteSize(window).to_string()]);
    }
    words
}

/// Returns the goodput of the runs, and its ratio to the law.
fn against(law: f64, records: &[Record]) -> (String, Option<f64>) {
    let goodputs = goodputs(records.iter());
    (summary(&goodputs), stats::median(&goodputs).map(|median| median / law))
}
