//! Head-of-line blocking: the bytes of one stream that wait for a lost packet of another one.
//!
//! Eight bodies are held to a rate far below that of the path, so that nothing but loss delays them. A packet that is lost
//! arrives a round trip later. Over TCP every later byte of the connection waits for it, over QUIC those of its stream.

use std::process::ExitCode;

use analyse::share_above;
use anyhow::Result;
use record::{ByteSize, Latency, Record};

use super::{Arguments, summary};
use crate::study::{RecordFile, Table};

/// The default number of rounds, the fewest with an interval.
const ROUNDS: u32 = 6;

/// The bodies at once.
const BODIES: u32 = 8;

/// The bytes of a chunk: most cross the path in one packet.
const CHUNK: ByteSize = ByteSize(1200);

/// The rate of each body in bytes per second: all together have some four packets in a round trip.
const RATE: ByteSize = ByteSize(16 << 10);

/// The bytes of a body: 12 s.
const BODY: ByteSize = ByteSize(192 << 10);

/// The round-trip time in milliseconds. A byte that waits for no lost packet takes half of it, and any other one at least
/// one and a half.
const RTT_MS: u32 = 40;

/// The congestion controller. CUBIC sustains twelve packets in a round trip where 1 % is lost (1.22 / √p, RFC 5348 section 3.1
/// without timeouts), and fewer for bodies that need fewer. The chunks of eight bodies are due at once, and would wait for its
/// window, and not for lost packets. BBR does not take losses for congestion.
const CONTROLLER: &str = "bbr";

/// The packets in a hundred that are lost.
const LOSSES: [u32; 2] = [0, 1];

/// The rows, with the flags of eight bodies. Connections of their own are the reference: nothing of one waits for another.
const ROWS: [(&str, &str); 3] = [("h1", "--connections"), ("h2", "--streams"), ("h3", "--streams")];

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let longhaul = arguments.program.program()?;
    let folder = arguments.program.folder("networks-head-of-line")?;
    let rounds = arguments.rounds.rounds_or(ROUNDS).to_string();
    let mut file = RecordFile::create_in(&folder)?;
    let heads = ["row", "bodies", "loss", "median ms", "99 % within ms", "late %"];
    let mut table = Table::with_heads(heads);
    for loss in LOSSES {
        for (row, bodies) in ROWS {
            let words = words(row, bodies, loss);
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.extend(["--rounds", &rounds]);
            let records = longhaul.bench(&words, &mut file)?;
            let axis = bodies.trim_start_matches('-');
            table.push(cells(row, &format!("{BODIES} {axis}"), loss, &records));
        }
    }
    table.publish(&folder.join("head-of-line.tsv"))?;
    file.compress()?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the flags of a row over a path that loses `loss` packets in a hundred.
fn words(row: &str, bodies: &str, loss: u32) -> Vec<String> {
    let network = format!("rtt={RTT_MS}ms,rate=100Mbit,loss={loss}%,relay=packets");
    let (size, chunk, limit, bodies_at_once) = (BODY, CHUNK, RATE, BODIES);
    let text = format!(
        "--protocol {row} --direction down --network {network} --size {size} --chunk-size {chunk} --limit-rate {limit} \
         --congestion {CONTROLLER} {bodies} {bodies_at_once}"
    );
    text.split(' ').map(str::to_owned).collect()
}

fn cells(row: &str, bodies: &str, loss: u32, records: &[Record]) -> [String; 6] {
    let deliveries: Vec<&Latency> = records
        .iter()
        .filter(|record| record.is_ok())
        .filter_map(|record| record.delivery.as_ref())
        .collect();
    let ms = |of: fn(&Latency) -> u64| {
        let all: Vec<f64> = deliveries.iter().map(|delivery| of(delivery) as f64 / 1e6).collect();
        summary(&all)
    };
    let late: Vec<f64> = deliveries
        .iter()
        .filter_map(|delivery| share_above(delivery, u64::from(RTT_MS) * 1_000_000))
        .map(|share| 100.0 * share)
        .collect();
    let (median, most) = (ms(|delivery| delivery.p50), ms(|delivery| delivery.p99));
    [row.into(), bodies.into(), format!("{loss} %"), median, most, summary(&late)]
}
