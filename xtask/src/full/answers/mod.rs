//! The step `answers`: `longhaul prove` on programs of other projects whose answer is known.
//!
//! Each library is used in the way that is meant for large bodies, and in a way that holds the whole body in memory. A
//! program that is not installed has no row. `scripts/peers` installs most of them.

pub(super) mod conform;
mod large_window;
mod programs;
mod ready;
pub(super) mod repeats;

use std::process::Command;

use anyhow::{Context as _, Result};
use metrics::Stamp;

use self::{
    programs::{Answer, Program},
    ready::Ready,
};
use super::{Context, outcome::Outcome};

pub(super) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row([
        "program",
        "protocols",
        "expected",
        "word",
        "exit code",
        "seconds",
        "the line that decides",
    ]);
    for program in programs::all() {
        prove(context, program, &mut outcome)?;
    }
    Ok(outcome)
}

/// Proves one program, and compares the verdict with the expected one.
fn prove(context: &Context<'_>, program: &Program, outcome: &mut Outcome) -> Result<()> {
    let Some(ready) = Ready::new(program, outcome)? else { return Ok(()) };
    let began = Stamp::now();
    let Proof { answer, code, printed } = proof(context, program, &ready)?;
    let seconds = format!("{:.0}", began.elapsed().as_secs_f64());
    let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let (expected, word) = (program.expected.to_string(), answer.word.to_string());
    outcome.row([program.name, program.protocols(), &expected, &word, &code, &seconds, &answer.line]);
    let holds = answer.word == program.expected;
    let measured = if holds { word } else { format!("{word}: {printed}") };
    outcome.check(program.name, expected, measured, holds);
    Ok(())
}

/// One proof of a program.
struct Proof {
    answer: Answer,
    /// The exit code; `None` after a signal.
    code: Option<i32>,
    printed: String,
}

/// Proves a program that is ready.
fn proof(context: &Context<'_>, program: &Program, ready: &Ready) -> Result<Proof> {
    // A proof writes into a folder that does not exist yet.
    let results = tempfile::tempdir_in(ready.folder.path()).context("no folder for results")?;
    let mut command = Command::new(context.program);
    command.arg("prove").args(["--quiet", "--out"]).arg(results.path().join("proof"));
    command.args(ready.words(&program.proof()));
    let done = command.output().with_context(|| format!("cannot prove {}", program.name))?;
    let [text, errors] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let code = done.status.code();
    Ok(Proof { answer: Answer::of(&text, code), code, printed: format!("{text}{}", errors.trim()) })
}
