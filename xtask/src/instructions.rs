//! `cargo xtask instructions`: the instructions that sender and receiver execute per MiB of body, over HTTP/1.1 and
//! HTTP/2 through a pipe in memory. They are compared with `benches/instructions.tsv`.
//!
//! callgrind counts the instructions, so the load of the machine does not matter.

mod heap;

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::workspace::{self, Metadata};

/// Hold the instructions per MiB of both ends against those of the last baseline; exit 3 if there are more
#[derive(Args)]
pub(crate) struct Arguments {
    /// Make the counts the new baseline
    #[arg(long, conflicts_with_all = ["heap", "meters"])]
    write: bool,
    /// Print the cost of counting the live heap instead; exit 3 if it is over 1 % of an end's processor time
    #[arg(long, conflicts_with = "meters")]
    heap: bool,
    /// Print the share of the meters of either end instead, at chunks of 64 B to 64 KiB
    ///
    /// The kernel's instructions are in neither count, so the share of a transfer over sockets is smaller.
    #[arg(long)]
    meters: bool,
}

/// The baseline, below the root.
const BASELINE: &str = "benches/instructions.tsv";

/// The protocols of the example `turns`.
const PROTOCOLS: [&str; 2] = ["h1", "h2"];

/// The ends of an upload: the name in the table, and the role in the example.
const ENDS: [(&str, &str); 2] = [("sender", "client"), ("receiver", "server")];

/// The share by which a count may exceed its baseline. Counts of the same program differ by up to 1 % (random seeds of
/// hash maps). Another patch version of a compiler or library moves them by 1 to 2 %. A further copy of the body adds
/// over 70 %.
const TOLERANCE: f64 = 0.03;

/// The body sizes, in MiB. Both counts contain the instructions that run once per connection, which cancel out.
const BODIES: [u64; 2] = [4, 36];

/// The chunk sizes in bytes for the share of the meters, and the body sizes of each in MiB. Small chunks take a hundred
/// times the instructions.
const CHUNKS: [(u64, [u64; 2]); 4] =
    [(64, [1, 3]), (1 << 10, [2, 10]), (16 << 10, BODIES), (64 << 10, BODIES)];

/// The exit code for more instructions, which is that of `compare` for a slower candidate.
const MORE: u8 = 3;

/// The count of one end.
#[derive(Clone, Debug, PartialEq)]
struct Count {
    protocol: String,
    end: String,
    per_mib: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.meters {
        return print_meters();
    }
    if arguments.heap {
        return heap::print();
    }
    let path = workspace::root().join(BASELINE);
    let counts = measure(BODIES, &[])?;
    if arguments.write {
        fs::write(&path, table(&counts)).with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (shown, more) = compared(&parsed(&text)?, &counts);
    io::stdout().write_all(shown.as_bytes()).context("cannot write to stdout")?;
    Ok(if more { ExitCode::from(MORE) } else { ExitCode::SUCCESS })
}

/// Prints the share of the meters at each chunk size.
fn print_meters() -> Result<ExitCode> {
    for (chunk, bodies) in CHUNKS {
        let size = chunk.to_string();
        let (bare, metered) = (measure(bodies, &[&size, "bare"])?, measure(bodies, &[&size, "uncounted"])?);
        let shown = added("meters", &bare, &metered);
        let lines = shown.lines().map(|line| format!("{chunk:>6} B  {line}\n")).collect::<String>();
        io::stdout().write_all(lines.as_bytes()).context("cannot write to stdout")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts the instructions per MiB of each end, with these options of the example. `bodies` are two sizes in MiB.
fn measure(bodies: [u64; 2], options: &[&str]) -> Result<Vec<Count>> {
    let program = build()?;
    let mut counts = Vec::new();
    for protocol in PROTOCOLS {
        for (end, role) in ENDS {
            let [few, many] = bodies.map(|mib| count(&program, protocol, role, mib, options));
            let per_mib = many?.saturating_sub(few?) / (bodies[1] - bodies[0]);
            counts.push(Count { protocol: protocol.into(), end: end.into(), per_mib });
        }
    }
    Ok(counts)
}

/// Builds the example with the release profile.
fn build() -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "--package", "benches", "--example", "turns"])
        .current_dir(workspace::root())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the example `turns` cannot be built ({status})");
    Ok(Metadata::read()?.target_directory.join("release/examples/turns"))
}

/// Returns the instructions of one end within the turns of its task, for a body of `mib`.
fn count(program: &Path, protocol: &str, role: &str, mib: u64, options: &[&str]) -> Result<u64> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--toggle-collect=*{role}_turn*")])
        .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
        .arg(program)
        .args([protocol, &mib.to_string()])
        .args(options)
        // callgrind counts each byte of a "rep movsb" as an instruction, so glibc is told to copy by other means.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000",
        )
        .output()
        .context("cannot start valgrind; scripts/peers installs it")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.with_context(|| format!("callgrind counted nothing ({}): {text}", output.status))
}

fn table(counts: &[Count]) -> String {
    let rows = counts.iter().map(|count| format!("{}\t{}\t{}\n", count.protocol, count.end, count.per_mib));
    format!("protocol\tend\tinstructions per MiB\n{}", rows.collect::<String>())
}

fn parsed(text: &str) -> Result<Vec<Count>> {
    text.lines()
        .skip(1)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [protocol, end, count] => Ok(Count {
                protocol: protocol.into(),
                end: end.into(),
                per_mib: count.parse().with_context(|| format!("{BASELINE}: '{count}' is not a count"))?,
            }),
            _ => bail!("{BASELINE}: '{line}' is not a row"),
        })
        .collect()
}

/// Returns one line per count with the share that `what` adds to it.
fn added(what: &str, without: &[Count], with: &[Count]) -> String {
    without.iter().zip(with).fold(String::new(), |mut text, (Count { protocol, end, per_mib }, more)| {
        let more = more.per_mib;
        let percent = 100.0 * (more as f64 / *per_mib as f64 - 1.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{protocol} {end:<8}  {per_mib} instructions per MiB, {more} with {what} ({percent:+.2} %)"
        );
        text
    })
}

/// Returns one line per count, and whether any count exceeds its baseline or has none.
fn compared(baseline: &[Count], counts: &[Count]) -> (String, bool) {
    let (mut text, mut more) = (String::new(), false);
    for Count { protocol, end, per_mib } in counts {
        let known = baseline.iter().find(|known| known.protocol == *protocol && known.end == *end);
        let change = known.map(|known| *per_mib as f64 / known.per_mib as f64 - 1.0);
        let (verdict, is_more) = match change {
            None => ("no baseline", true),
            Some(change) if change > TOLERANCE => ("MORE", true),
            Some(change) if change < -TOLERANCE => ("fewer: write a new baseline", false),
            Some(_) => ("same", false),
        };
        more |= is_more;
        let expected = known.map_or(0, |known| known.per_mib);
        let percent = 100.0 * change.unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{protocol} {end:<8}  expected {expected}, got {per_mib} instructions per MiB ({percent:+.1} %): {verdict}"
        );
    }
    (text, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(end: &str, per_mib: u64) -> Count {
        Count { protocol: "h2".into(), end: end.into(), per_mib }
    }

    #[test]
    fn a_table_parses_back() {
        let counts = [count("sender", 7), count("receiver", 1 << 40)];
        assert_eq!(parsed(&table(&counts)).unwrap(), counts);
        assert!(parsed("head\nh2\tsender\tmany\n").is_err() && parsed("head\nh2\n").is_err());
    }

    #[test]
    fn what_is_added_is_a_share() {
        let shown = added("meters", &[count("sender", 1000)], &[count("sender", 1011)]);
        assert_eq!(shown, "h2 sender    1000 instructions per MiB, 1011 with meters (+1.10 %)\n");
    }

    #[test]
    fn more_than_the_tolerance_fails_and_fewer_does_not() {
        let baseline = [count("sender", 1000)];
        let is_more = |per_mib| compared(&baseline, &[count("sender", per_mib)]).1;
        assert_eq!([1029, 1031, 500].map(is_more), [false, true, false]);
        assert!(compared(&baseline, &[count("receiver", 1)]).1, "a count without a baseline");
    }
}
