//! The step `repeats`: the same proof of the same program, fifty times. Every repetition must have the same word.

use anyhow::{Context as _, Result};
use metrics::Stamp;

use super::{
    Context, Outcome, answer,
    programs::{Answer, PROGRAMS},
};

/// The number of repetitions.
const REPEATS: usize = 50;

/// The programs: a client and a server of each kind, and a leak that is near neither verdict.
const NAMES: [&str; 5] = [
    "curl -T",
    "curl --data-binary",
    "aiohttp server, chunks",
    "aiohttp server, whole",
    "a leak of a tenth of the limit",
];

pub(in crate::full) fn run(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.row(["program", "expected", "the same word", "seconds of one proof", "other answers"]);
    for program in PROGRAMS.iter().filter(|program| NAMES.contains(&program.name)) {
        let began = Stamp::now();
        let answers: Option<Vec<Answer>> =
            (0..REPEATS).map(|_| answer(context, program, &mut outcome)).collect::<Result<_>>()?;
        let Some(answers) = answers else { continue };
        let seconds = began.elapsed().as_secs_f64() / REPEATS as f64;
        let others: Vec<&str> = answers
            .iter()
            .filter(|answer| answer.word != program.expected)
            .map(|answer| answer.line.as_str())
            .collect();
        let same = answers.len() - others.len();
        let expected = program.expected.to_string();
        outcome.row([
            program.name.to_owned(),
            expected.clone(),
            format!("{same} of {REPEATS}"),
            format!("{seconds:.1}"),
            others.join("; "),
        ]);
        outcome.check(
            program.name,
            format!("{expected} in {REPEATS} of {REPEATS}"),
            format!("{same}"),
            others.is_empty(),
        );
    }
    Ok(outcome)
}
