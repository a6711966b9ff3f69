//! `cargo xtask layers`: compares each library with its own defaults to the same library with longhaul's layers and
//! limits, and measures the effect of each layer.
//!
//! Each variant leaves out one thing: a limit has its value in `--profile stock`, a receiver sleeps at once, or the
//! program has the allocator of the system. The variants of a round run one after the other, in a new order in each
//! round.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use record::{ByteSize, Direction, Domain, LIMITS, PROTOCOLS, Preset, Profile, Protocol, Record};

use crate::study::{
    Longhaul, ProgramOptions, RatioSummary, RecordFile, RoundOptions, Table, mib_per_s, pairs,
};

/// The name of the variant that all others are compared with.
const TUNED: &str = "tuned";

/// The name of the variant that leaves out everything but jemalloc.
const STOCK: &str = "stock";

/// Measure each library with its own defaults, and the effect of each layer of longhaul
#[derive(Args)]
pub(crate) struct Arguments {
    /// Protocols [default: all over HTTP]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    protocols: Vec<String>,
    /// Chunk sizes
    #[arg(long, value_name = "LIST", default_value = "64KiB,1MiB", value_delimiter = ',')]
    chunks: Vec<ByteSize>,
    /// A longhaul built with the feature system-allocator, as one more variant
    #[arg(long, value_name = "PROGRAM")]
    system_allocator: Option<PathBuf>,
    #[command(flatten)]
    rounds: RoundOptions,
    #[command(flatten)]
    program: ProgramOptions,
}

/// One way to run a protocol.
#[derive(Debug, PartialEq, Eq)]
struct Variant {
    /// The name of the layer or limit that is left out, or [`TUNED`] or [`STOCK`].
    name: String,
    flags: Vec<String>,
    program: Program,
}

/// The program that runs a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Usual,
    SystemAllocator,
}

impl Variant {
    fn new(name: &str, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self { name: name.into(), flags, program: Program::Usual }
    }

    fn with_system_allocator(self, name: &str) -> Self {
        Self { name: name.into(), program: Program::SystemAllocator, ..self }
    }
}

/// Returns the variants of a protocol: with all layers and limits, without each of them alone, and without all of them.
fn variants(protocol: &Protocol, has_system_allocator: bool) -> Vec<Variant> {
    let tuned = || Variant::new(TUNED, &[]);
    let stock = || Variant::new(STOCK, &["--profile", Profile::Stock.name()]);
    let mut variants = vec![tuned(), Variant::new("spin", &["--spin", "0"])];
    for limit in LIMITS.iter().filter(|limit| limit.applies_to(protocol)) {
        // TCP_NODELAY is a layer that the stock profile keeps in force.
        let is_switch = limit.layer && matches!(limit.domain, Domain::Choice(_));
        let left_out = is_switch.then_some(Preset::Choice("off")).or(limit.stock);
        if let Some(preset) = left_out.filter(|preset| *preset != limit.default) {
            let flags = [&format!("--{}", limit.flag), &preset.to_string()];
            variants.push(Variant::new(limit.flag, &flags.map(String::as_str)));
        }
    }
    variants.push(stock());
    if has_system_allocator {
        variants.push(tuned().with_system_allocator("allocator"));
        variants.push(stock().with_system_allocator("stock and allocator"));
    }
    variants
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let usual = arguments.program.program()?;
    let system = arguments.system_allocator.clone();
    let system = system.map(|program| Longhaul::new(program, arguments.program.bench()));
    let folder = arguments.program.folder("layers")?;
    let mut file = RecordFile::create_in(&folder)?;
    let (mut records, protocols) = (Vec::new(), chosen(arguments));
    for round in 0..arguments.rounds.rounds() {
        eprintln!("round {} of {}", round + 1, arguments.rounds.rounds());
        for protocol in &protocols {
            let mut variants = variants(protocol, system.is_some());
            let first = round as usize % variants.len();
            variants.rotate_left(first);
            for variant in &variants {
                let program = match (variant.program, &system) {
                    (Program::SystemAllocator, Some(system)) => system,
                    _ => &usual,
                };
                records.extend(one(arguments, program, protocol, variant, &mut file)?);
            }
        }
    }
    table(&records, &protocols, &arguments.chunks).publish(&folder.join("layers.tsv"))?;
    overview(&records, &protocols, &arguments.chunks).publish(&folder.join("overview.tsv"))?;
    file.compress()?;
    eprintln!("records and table: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn chosen(arguments: &Arguments) -> Vec<&'static Protocol> {
    let is_chosen = |protocol: &&Protocol| match arguments.protocols.as_slice() {
        [] => protocol.is_http(),
        names => names.iter().any(|name| name == protocol.name),
    };
    PROTOCOLS.iter().filter(is_chosen).collect()
}

/// Makes the runs of one variant in one round, labelled by its name.
fn one(
    arguments: &Arguments,
    program: &Longhaul,
    protocol: &Protocol,
    variant: &Variant,
    file: &mut RecordFile,
) -> Result<Vec<Record>> {
    let chunks = arguments.chunks.iter().map(ByteSize::to_string).collect::<Vec<_>>().join(",");
    let size = arguments.rounds.size_or(ByteSize(1 << 30)).to_string();
    let common = ["--rounds", "1", "--settle", "10s", "--direction", "up,down", "--sink", "discard"];
    let case = ["--protocol", protocol.name, "--chunk-size", &chunks, "--size", &size];
    let flags: Vec<&str> = variant.flags.iter().map(String::as_str).collect();
    program.bench(&[&common[..], &case, &["--label", &variant.name], &flags].concat(), file)
}

/// Returns a row for each variant: its goodput relative to that of the tuned variant, in the runs of the same rounds.
fn table(records: &[Record], protocols: &[&Protocol], chunks: &[ByteSize]) -> Table {
    let heads = ["protocol", "direction", "chunk", "without", "MiB/s"];
    let mut table = Table::with_heads(heads.into_iter().chain(RatioSummary::HEADS));
    for protocol in protocols {
        for direction in Direction::ALL {
            for chunk in chunks {
                let runs = |name: &str| of(records, protocol, direction, *chunk, name);
                let base = runs(TUNED);
                for variant in variants(protocol, true) {
                    let pairs = pairs(&base, &runs(&variant.name));
                    let goodputs: Vec<f64> = pairs.iter().map(|(_, goodput)| *goodput).collect();
                    let (Some(summary), Some(median)) = (RatioSummary::of(&pairs), stats::median(&goodputs))
                    else {
                        continue;
                    };
                    let case = [protocol.name.into(), direction.to_string(), chunk.to_string()];
                    let figures = [variant.name, mib_per_s(median)];
                    table.push(case.into_iter().chain(figures).chain(summary.cells()));
                }
            }
        }
    }
    table
}

/// Returns a row for each protocol and variant, with a column per chunk and direction: the ratio to the tuned runs and
/// its interval.
fn overview(records: &[Record], protocols: &[&Protocol], chunks: &[ByteSize]) -> Table {
    let columns: Vec<(ByteSize, Direction)> =
        chunks.iter().flat_map(|chunk| Direction::ALL.map(|direction| (*chunk, direction))).collect();
    let heads = columns.iter().map(|(chunk, direction)| format!("{direction}, {chunk}"));
    let mut table = Table::with_heads(["protocol".to_owned(), "without".to_owned()].into_iter().chain(heads));
    for protocol in protocols {
        for variant in variants(protocol, true).into_iter().filter(|variant| variant.name != TUNED) {
            let ratio = |(chunk, direction): &(ByteSize, Direction)| {
                let runs = |name: &str| of(records, protocol, *direction, *chunk, name);
                RatioSummary::of(&pairs(&runs(TUNED), &runs(&variant.name)))
            };
            let ratios: Vec<_> = columns.iter().map(ratio).collect();
            if ratios.iter().any(Option::is_some) {
                let cells = ratios.iter().map(|ratio| ratio.map_or("-".into(), |ratio| ratio.brief()));
                table.push([protocol.name.to_owned(), variant.name.clone()].into_iter().chain(cells));
            }
        }
    }
    table
}

fn of<'r>(
    records: &'r [Record],
    protocol: &Protocol,
    direction: Direction,
    chunk: ByteSize,
    name: &str,
) -> Vec<&'r Record> {
    let is_of = |record: &&Record| {
        let case = &record.case;
        (case.protocol.as_str(), case.direction) == (protocol.name, direction)
            && ByteSize::from(case.chunk) == chunk
            && record.label.as_deref() == Some(name)
    };
    records.iter().filter(is_of).collect()
}

#[cfg(test)]
mod tests {
    use record::Case;

    use super::*;

    fn protocol(name: &str) -> &'static Protocol {
        Protocol::by_name(name).unwrap()
    }

    fn names(protocol: &Protocol) -> Vec<String> {
        variants(protocol, false).into_iter().map(|variant| variant.name).collect()
    }

    #[test]
    fn every_layer_and_limit_of_a_protocol_is_left_out_once() {
        let h2c = names(protocol("h2c"));
        for name in
            ["tuned", "spin", "h2-gather", "h2-cork", "h2-turns", "h2-frame", "h2-window", "nodelay", "stock"]
        {
            assert_eq!(h2c.iter().filter(|other| *other == name).count(), 1, "{name}: {h2c:?}");
        }
        assert!(!h2c.iter().any(|name| name == "cipher" || name.starts_with("quic")), "{h2c:?}");
        assert!(names(protocol("h3")).iter().any(|name| name == "h3-recv"));
        assert_eq!(variants(protocol("h1"), true).len(), variants(protocol("h1"), false).len() + 2);
    }

    #[test]
    fn a_row_is_the_ratio_to_the_tuned_runs_of_the_same_rounds() {
        let mut records = Vec::new();
        for round in 0..6 {
            for (turn, (name, factor)) in
                [("tuned", 1.0), ("h2-cork", 0.8), ("stock", 0.5)].iter().enumerate()
            {
                let mut record = Record::new(format!("round {round} {name}"), Case::new("h2c"));
                record.started_at = format!("2026-11-26T20:0{round}:0{turn}Z");
                record.label = Some((*name).into());
                record.goodput_bytes_per_s = Some(f64::from((100 + round) << 20) * factor);
                records.push(record);
            }
        }
        let text = table(&records, &[protocol("h2c")], &[ByteSize(64 << 10)]).separated();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("h2c\tup\t64KiB\ttuned\t102\t1.000\t1.000\t1.000"), "{text}");
        assert!(lines[2].starts_with("h2c\tup\t64KiB\th2-cork\t82\t0.800\t0.800\t0.800"), "{text}");
        assert!(lines[3].starts_with("h2c\tup\t64KiB\tstock\t51\t0.500\t0.500\t0.500"), "{text}");
        assert_eq!(lines.len(), 4, "{text}");
        let text = overview(&records, &[protocol("h2c")], &[ByteSize(64 << 10)]).separated();
        let expected = "protocol\twithout\tup, 64KiB\tdown, 64KiB\n\
                        h2c\th2-cork\t0.80 [0.80, 0.80]\t-\nh2c\tstock\t0.50 [0.50, 0.50]\t-\n";
        assert_eq!(text, expected);
    }
}
