//! `bench --resume DIR`: the flags of the session that continues, from its recorded command line.

use std::{ffi::OsString, path::Path};

use clap::{ArgMatches, Command, error::ErrorKind, parser::ValueSource};
use record::Record;

use super::{BenchArgs, config, definition, with_config};

/// The flags that may differ in a continued session, by their ids. They change what is shown, and when the session
/// ends.
const FREE: [&str; 8] = ["resume", "json", "quiet", "verbose", "title", "csv", "max_time", "color"];

/// The text that stands for a secret in recorded command lines.
const REDACTED: &str = "***";

/// Returns the flags of the session in `folder`. `now` are the flags of this command line. Each of them must be in
/// [`FREE`], or have the value that the session has. `flags` is the definition of both command lines.
///
/// # Errors
/// Fails if the records do not state the flags of a session of `bench`, or if a flag of this command line differs from them.
pub(super) fn original(
    folder: &Path,
    flags: &Command,
    now: (&BenchArgs, &ArgMatches),
) -> Result<Box<BenchArgs>, clap::Error> {
    let refused = |reason: String| {
        clap::Error::raw(ErrorKind::Io, format!("--resume {}: {reason}\n", folder.display()))
    };
    let words = words(folder).map_err(refused)?;
    let unknown = |error: clap::Error| {
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        refused(format!("the recorded command line is none of this version: {reason}"))
    };
    let matches = definition().try_get_matches_from(&words).map_err(unknown)?;
    let (Some(("bench", matches)), super::Command::Bench(then)) =
        (matches.subcommand(), super::parse_once(&words)?)
    else {
        let made_by: Vec<_> = words.iter().take(2).map(|word| word.to_string_lossy()).collect();
        return Err(refused(format!(
            "{} made the records; only a session of bench continues",
            made_by.join(" ")
        )));
    };
    let mut lines = vec![matches.clone()];
    if let Some(path) = &then.config {
        let of_file = config::command_lines(path, &words, flags, matches)
            .map_err(|error| refused(format!("--config {error}")))?;
        let parse = |line: &Vec<OsString>| {
            let all = definition().try_get_matches_from(line)?;
            Ok(all.subcommand().map(|(_, matches)| matches.clone()))
        };
        let parsed: Result<Vec<_>, clap::Error> = of_file.iter().map(parse).collect();
        lines = parsed?.into_iter().flatten().collect();
    }
    if let Some(difference) = lines.iter().find_map(|then| difference(flags, then, now.1)) {
        return Err(refused(difference));
    }
    let mut bench = with_config(then, &words, flags, matches)?;
    bench.runs.session.shown_as(&now.0.runs.session);
    bench.runs.session.continued = Some(folder.to_owned());
    Ok(bench)
}

/// Returns the words of the command line that made the first record of a folder.
fn words(folder: &Path) -> Result<Vec<OsString>, String> {
    let mut first: Option<Record> = None;
    // Damage is reported when all records are read.
    let keep_first = |record| {
        first.get_or_insert(record);
    };
    record::read_each(folder, keep_first).map_err(|error| error.to_string())?;
    let command = first.and_then(|record| record.command);
    let command = command.ok_or("the records do not state their command line")?;
    let words =
        shlex::split(&command).ok_or_else(|| format!("the recorded command line is torn: {command}"))?;
    match words.iter().find(|word| word.contains(REDACTED)) {
        Some(word) => Err(format!("the recorded command line lacks a secret: {word}; begin a new session")),
        None => Ok(words.into_iter().map(OsString::from).collect()),
    }
}

/// Returns the first flag of this command line whose value differs from that of the session.
fn difference(flags: &Command, then: &ArgMatches, now: &ArgMatches) -> Option<String> {
    flags.get_arguments().find_map(|arg| {
        let id = arg.get_id().as_str();
        if FREE.contains(&id) || now.value_source(id) != Some(ValueSource::CommandLine) {
            return None;
        }
        let values =
            |matches: &ArgMatches| matches.get_raw(id).map(|raw| raw.map(OsString::from).collect::<Vec<_>>());
        let (there, here) = (values(then), values(now));
        if there == here {
            return None;
        }
        let shown = |values: Option<Vec<OsString>>| {
            let values: Vec<_> = values.iter().flatten().map(|value| value.to_string_lossy()).collect();
            values.join(",")
        };
        let flag = arg.get_long().unwrap_or(id);
        let (there, here) = (there.filter(|values| !values.is_empty()), shown(here));
        let there = there
            .map_or_else(|| "does not have the flag".into(), |there| format!("has {}", shown(Some(there))));
        Some(format!("--{flag} {here}: the session {there}; leave the flag out, or begin a new session"))
    })
}
