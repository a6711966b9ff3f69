//! The step `repeats`: the same proof of the same program, fifty times. Every repetition must have the same verdict.

use anyhow::Result;
use metrics::Stamp;

use super::{Context, Outcome, Proof, Ready, programs, proof};

/// The number of repetitions.
const REPEATS: usize = 50;

/// The programs: one that is constant, one that grows, and a leak of a known size.
const NAMES: [&str; 3] = ["curl -T", "curl --data-binary", "a leak of a tenth of the limit"];

pub(in crate::full) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["program", "expected", "that word", "seconds of one proof", "other answers"]);
    for program in programs::all().filter(|program| NAMES.contains(&program.name)) {
        let Some(ready) = Ready::new(program, &mut outcome)? else { continue };
        let began = Stamp::now();
        let mut others = Vec::new();
        for _ in 0..REPEATS {
            let Proof { answer, printed, .. } = proof(context, program, &ready)?;
            if answer.word != program.expected {
                let last = printed.lines().last().unwrap_or_default();
                others.push(format!("{}: {}; {last}", answer.word, answer.line));
            }
        }
        let seconds = began.elapsed().as_secs_f64() / REPEATS as f64;
        let expected = program.expected.to_string();
        let count = format!("{} of {REPEATS}", REPEATS - others.len());
        let measured = format!("{seconds:.1}");
        outcome.row([program.name, &expected, &count, &measured, &others.join("; ")]);
        let wanted = format!("{expected} in {REPEATS} of {REPEATS}");
        outcome.check(program.name, wanted, count, others.is_empty());
    }
    Ok(outcome)
}
