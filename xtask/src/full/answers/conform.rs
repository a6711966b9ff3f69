//! The step `conform`: `longhaul conform` on the same programs.
//!
//! A program whose memory is constant must be BOUNDED in each of these cases, one that holds whole bodies GROWING in at least
//! one of them. A proxy that spools to disk is BOUNDED, too.

use std::process::Command;

use anyhow::{Context as _, Result};
use metrics::Stamp;

use super::{
    Context, Outcome, large_window,
    programs::{Expected, PROGRAMS, Program},
    ready,
};

/// The cases about backpressure.
const CASES: &str = "fast-sender,slow-reader,stalled-reader,gone-reader,one-stream-stalled";

pub(in crate::full) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row([
        "program",
        "expected",
        "exit code",
        "seconds",
        "BOUNDED",
        "GROWING",
        "STALLED, DIED, CORRUPTED",
    ]);
    for program in PROGRAMS.iter().filter(|program| !program.arguments.contains(&"--series")) {
        conform(context, program, &mut outcome)?;
    }
    large_window::run(context, &mut outcome)?;
    Ok(outcome)
}

fn conform(context: &Context<'_>, program: &Program, outcome: &mut Outcome) -> Result<()> {
    let Some((_folder, words)) = ready(program, outcome)? else { return Ok(()) };
    // A server is named by its URL alone, and lengths are announced where they are needed.
    let words = words.iter().filter(|word| !["--server", "--content-length"].contains(&word.as_str()));
    let mut command = Command::new(context.program);
    command.args(["conform", "--stall", "3s", "--protocol", "h1c", "--case", CASES]);
    command.args(words);
    let began = Stamp::now();
    let done = command.output().with_context(|| format!("cannot test {}", program.name))?;
    let (seconds, report) =
        (began.elapsed().as_secs_f64(), String::from_utf8_lossy(&done.stdout).into_owned());
    let counts = ["BOUNDED", "GROWING", "STALLED", "DIED", "CORRUPTED"].map(|word| count(&report, word));
    let [bounded, growing, stalled, died, corrupted] = counts;
    let (expected, code) = match program.expected {
        Expected::Growing => ("GROWING", 4),
        _ => ("BOUNDED", 0),
    };
    let found = done.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string());
    let others = stalled + died + corrupted;
    outcome.row([
        program.name,
        expected,
        &found,
        &format!("{seconds:.0}"),
        &bounded.to_string(),
        &growing.to_string(),
        &others.to_string(),
    ]);
    let measured = format!("exit code {found}: {report}");
    outcome.check(program.name, format!("exit code {code}"), measured, done.status.code() == Some(code));
    Ok(())
}

/// Returns the number of cases with a word.
pub(super) fn count(report: &str, word: &str) -> usize {
    report.lines().filter(|line| line.split_whitespace().next() == Some(word)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_counts_by_the_word_at_the_start_of_its_line() {
        let report = "BOUNDED  a h1c/up\nGROWING  b h1c/up\n    alone: GROWING\nx: 1 BOUNDED, 1 GROWING\n";
        assert_eq!(["BOUNDED", "GROWING", "DIED"].map(|word| count(report, word)), [1, 1, 0]);
    }
}
