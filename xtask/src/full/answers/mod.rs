//! The step `answers`: `longhaul prove` on programs of other projects whose answer is known.
//!
//! Each library is used as it is meant for large bodies, and in the way that holds the whole body in memory. A program that
//! is not installed has no row. `scripts/peers` installs most of them.

pub(super) mod conform;
mod large_window;
mod programs;

use std::{net::TcpListener, process::Command};

use anyhow::{Context as _, Result};
use metrics::Stamp;
use tempfile::TempDir;

use self::programs::{Answer, PROGRAMS, Program};
use super::{
    Context,
    interop::{filled, find, python},
    outcome::Outcome,
};
use crate::workspace;

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["program", "expected", "word", "exit code", "seconds", "the line that decides"]);
    for program in PROGRAMS {
        prove(context, program, &mut outcome)?;
    }
    Ok(outcome)
}

/// Proves one program, and compares the word with the expected one.
fn prove(context: &Context<'_>, program: &Program, outcome: &mut Outcome) -> Result<()> {
    let Some((folder, words)) = ready(program, outcome)? else { return Ok(()) };
    let out = folder.path().join("results");
    let mut command = Command::new(context.program);
    command.arg("prove").args(["--quiet", "--out"]).arg(&out).args(words);
    let began = Stamp::now();
    let done = command.output().with_context(|| format!("cannot prove {}", program.name))?;
    let (text, code) = (String::from_utf8_lossy(&done.stdout), done.status.code());
    let answer = Answer::of(&text, code);
    let seconds = began.elapsed().as_secs_f64();
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let (expected, word) = (program.expected.to_string(), answer.word.to_string());
    outcome.row([program.name, &expected, &word, &code, &format!("{seconds:.0}"), &answer.line]);
    let measured = format!("{word}: {} {}", answer.line, String::from_utf8_lossy(&done.stderr).trim());
    outcome.check(program.name, expected, measured, answer.word == program.expected);
    Ok(())
}

/// Makes a program ready. Returns the folder of its configuration and the arguments that name it; `None` with a note if it
/// is not installed.
fn ready(program: &Program, outcome: &mut Outcome) -> Result<Option<(TempDir, Vec<String>)>> {
    let Some(file) = file(program)? else {
        outcome.notes.push(format!("not available: {}", program.program));
        return Ok(None);
    };
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let [port, upstream] = [free_port()?, free_port()?];
    let (peers, place) =
        (workspace::root().join("tests/peers"), folder.path().to_string_lossy().into_owned());
    let values = [
        ("program", file.as_str()),
        ("peers", &peers.to_string_lossy()),
        ("folder", &place),
        ("listen", &port),
        ("upstream", &upstream),
    ];
    prepare(program, &folder, &values)?;
    let words = program.arguments.iter().map(|word| filled(word, &values)).collect();
    Ok(Some((folder, words)))
}

/// Returns the file of a program; `None` if it is not installed.
fn file(program: &Program) -> Result<Option<String>> {
    if program.program != "python" {
        return Ok(find(program.program).map(|file| file.to_string_lossy().into_owned()));
    }
    let python = python()?;
    let has_module = |module: &&str| {
        let tried = Command::new(&python).args(["-c", &format!("import {module}")]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    Ok(program.modules.iter().all(has_module).then(|| python.to_string_lossy().into_owned()))
}

/// Writes the configuration of a program, if it has one.
fn prepare(program: &Program, folder: &TempDir, values: &[(&str, &str)]) -> Result<()> {
    let Some(config) = program.config else { return Ok(()) };
    std::fs::write(folder.path().join("config"), filled(config, values)).context("no configuration")
}

fn free_port() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port().to_string())
}
