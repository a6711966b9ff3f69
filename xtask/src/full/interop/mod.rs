//! The step `interop`: programs of other projects transfer 256 MiB in both directions, and the content is compared.
//!
//! Other clients talk to `serve`, `send` and `fetch` talk to other servers, and proxies stand between `serve` and
//! `send` or `fetch`. A program that is not installed has a row that says so. `scripts/peers` and `apt-get` install
//! most of them.

mod clients;
mod fixture;
mod servers;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, Result};

use self::fixture::Fixture;
use super::{Context, outcome::Outcome};
use crate::workspace::Metadata;

/// The direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// The result of a transfer in one direction.
enum Trip {
    Same,
    /// The program does not support this direction.
    None,
    Missing(String),
    Failed(String),
}

/// One program with one protocol.
struct Row {
    name: String,
    role: &'static str,
    protocol: String,
    up: Trip,
    down: Trip,
}

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let fixture = Fixture::prepare(context.program)?;
    let mut outcome = Outcome::default();
    outcome.row(["program", "as", "protocol", "up", "down"]);
    let mut missing = Vec::new();
    clients::all(&fixture, &mut |row| add(row, &mut missing, &mut outcome))?;
    servers::all(&fixture, &mut |row| add(row, &mut missing, &mut outcome))?;
    missing.dedup();
    outcome.notes.extend(missing.into_iter().map(|program| format!("not available: {program}")));
    outcome.notes.push(format!("Each way moves {} bytes, whose content is compared.", fixture::SIZE));
    Ok(outcome)
}

fn add(row: Row, missing: &mut Vec<String>, outcome: &mut Outcome) {
    let word = |trip: &Trip| match trip {
        Trip::Same => "same",
        Trip::None => "-",
        Trip::Missing(_) => "not available",
        Trip::Failed(_) => "FAILED",
    };
    for (direction, trip) in [("up", &row.up), ("down", &row.down)] {
        let what = format!("{} as {} over {}, {direction}", row.name, row.role, row.protocol);
        match trip {
            Trip::Same => outcome.check(what, "the same content", "the same", true),
            Trip::Failed(reason) => outcome.check(what, "the same content", reason.clone(), false),
            Trip::Missing(program) => missing.push(program.clone()),
            Trip::None => {}
        }
    }
    outcome.row([row.name.as_str(), row.role, &row.protocol, word(&row.up), word(&row.down)]);
}

/// Returns the Python with the packages that `scripts/peers` installs, or else the Python of the machine.
pub(super) fn python() -> Result<PathBuf> {
    let own = peers().context("cargo names no folder of the build")?.join("bin/python");
    Ok(if own.exists() { own } else { "python3".into() })
}

/// Returns the folder that `scripts/peers` fills. cargo is asked for its location only once.
fn peers() -> Option<&'static Path> {
    static PEERS: OnceLock<Option<PathBuf>> = OnceLock::new();
    PEERS.get_or_init(|| Some(Metadata::read().ok()?.target_directory.join("peers"))).as_deref()
}

/// Finds the file of a program: by its path, in the folder of peers, on `PATH`, or in `/usr/sbin` for daemons.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    folders.push("/usr/sbin".into());
    folders.splice(0..0, peers().map(|peers| peers.join("bin")));
    folders.iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Fills each `{name}` in a text with its value.
pub(super) fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Returns the path of a file in `xtask/peers`.
fn peer_file(name: &str) -> PathBuf {
    crate::workspace::root().join("xtask/peers").join(name)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
