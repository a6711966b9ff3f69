//! The law of windows: goodput is what circulates of the window in a round trip, up to the rate.
//!
//! h2 checks for new credit when a frame arrives and again when its reader takes it. How much of a window with a rest
//! beyond whole parts circulates therefore depends on where frames and TLS records end: of 64 KiB, three frames of four
//! were seen in cleartext, and all four over TLS. `longhaul plan` gives windows of whole parts, and so does this study.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use record::{ByteSize, Protocol, Record};
use run::path_plan::{Path, admitted_goodput};

use super::{Arguments, goodputs, summary};
use crate::study::{RecordFile, Table};

/// The windows of HTTP/1.1 and HTTP/3 in bytes.
const WINDOWS: [u64; 5] = [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];

/// The windows of HTTP/2 in bytes: multiples of three frames.
const WHOLE_PARTS: [u64; 5] = [96 << 10, 192 << 10, 384 << 10, 768 << 10, 1536 << 10];

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

/// A row, with its windows in bytes and the flags that set them.
struct Row {
    protocol: &'static str,
    windows: [u64; 5],
    flags: &'static [&'static str],
}

/// The rows. TCP ends at the relay, so the window of HTTP/1.1 is the relay's queue, which no flag of the protocol sets.
const ROWS: [Row; 3] = [
    Row { protocol: "h1", windows: WINDOWS, flags: &[] },
    Row { protocol: "h2", windows: WHOLE_PARTS, flags: &["--h2-window"] },
    Row { protocol: "h3", windows: WINDOWS, flags: &["--quic-window", "--quic-connection-window"] },
];

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
    let (mut table, mut count, mut off) = (Table::with_heads(heads), 0, 0);
    for row in &ROWS {
        let protocol =
            Protocol::by_name(row.protocol).with_context(|| format!("no protocol {}", row.protocol))?;
        for (rtt_ms, window) in cells(row) {
            let path = Path::new(RATE as f64 * 1e6, Duration::from_millis(rtt_ms)).context("no such path")?;
            let all = (window as f64 * 8.0 / 1e3 / rtt_ms as f64).min(RATE as f64);
            let law = admitted_goodput(protocol, path, window) * 8.0 / 1e6;
            let words = words(row, window, rtt_ms, law);
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.extend(["--rounds", &rounds, "--chunk-size", "16KiB", "--sink", "discard"]);
            let records = longhaul.bench(&words, &mut file)?;
            let (text, ratio) = against(law, &records);
            let cell = ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
            count += 1;
            off += u32::from(ratio.is_none_or(|ratio| (ratio - 1.0).abs() > TOLERANCE));
            table.push([
                row.protocol.into(),
                ByteSize(window).to_string(),
                rtt_ms.to_string(),
                format!("{all:.1}"),
                format!("{law:.1}"),
                text,
                cell,
            ]);
        }
    }
    table.publish(&folder.join("law.tsv"))?;
    file.compress()?;
    eprintln!("{off} of {count} cells are more than 10 % from the law");
    Ok(if off == 0 { ExitCode::SUCCESS } else { ExitCode::from(OFF) })
}

/// Returns the round-trip times in milliseconds and the windows in bytes of a row's cells.
fn cells(row: &Row) -> impl Iterator<Item = (u64, u64)> {
    ROUND_TRIPS_MS.into_iter().flat_map(|rtt_ms| row.windows.map(|window| (rtt_ms, window)))
}

/// Returns the flags of a cell: its row, its network, its window, and a body of some seconds.
fn words(row: &Row, window: u64, rtt_ms: u64, law: f64) -> Vec<String> {
    // Windows of a protocol's own lie within that of the relay.
    let queue = if row.flags.is_empty() { format!(",queue={}", ByteSize(window)) } else { String::new() };
    let seconds = BODY_S.max((BODY_ROUND_TRIPS * rtt_ms) as f64 / 1e3);
    let body = ByteSize((law * 1e6 / 8.0 * seconds) as u64);
    let mut words = vec![
        "--protocol".into(),
        row.protocol.into(),
        "--network".into(),
        format!("rtt={rtt_ms}ms,rate={RATE}Mbit{queue}"),
        "--size".into(),
        body.to_string(),
    ];
    for flag in row.flags {
        words.extend([(*flag).to_owned(), ByteSize(window).to_string()]);
    }
    words
}

/// Returns the goodput of the runs, and its ratio to the law.
fn against(law: f64, records: &[Record]) -> (String, Option<f64>) {
    let goodputs = goodputs(records.iter());
    (summary(&goodputs), stats::median(&goodputs).map(|median| median / law))
}
