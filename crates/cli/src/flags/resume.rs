//! `bench --resume DIR`: the flags of the session that continues, from its recorded command line.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{ArgMatches, Command, error::ErrorKind, parser::ValueSource};
use record::{REDACTED, Record, printable, redacted_words};

use super::{BenchArgs, config, definition, with_config};

/// The flags that may differ in a continued session, by their ids. They change what is shown, and when the session
/// ends.
const FREE: [&str; 8] = ["resume", "json", "quiet", "verbose", "title", "csv", "max_time", "color"];

/// Returns the flags of the session in `folder`. `now` are the flags of this command line. Each of them must be in
/// [`FREE`], or have the value that the session has, apart from secrets, which are not recorded. `flags` is the
/// definition of both command lines.
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
        refused(format!("the recorded command line is none of this version: {}", printable(reason)))
    };
    let matches = definition().try_get_matches_from(&words).map_err(unknown)?;
    let (Some(("bench", matches)), super::Command::Bench(then)) =
        (matches.subcommand(), super::parse_once(&words)?)
    else {
        let made_by: Vec<_> = words.iter().take(2).map(|word| printable(&word.to_string_lossy())).collect();
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
    bench.take_credentials_of(now.0);
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
    let words = shlex::split(&command)
        .ok_or_else(|| format!("the recorded command line is torn: {}", printable(&command)))?;
    match words.iter().find(|word| word.contains(REDACTED)) {
        Some(word) => {
            Err(format!("the recorded command line lacks a secret: {}; begin a new session", printable(word)))
        }
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
        let flag = arg.get_long().unwrap_or(id);
        let values = |matches: &ArgMatches| {
            matches.get_raw(id).map(|raw| raw.map(|value| shown(flag, value)).collect::<Vec<_>>())
        };
        let (there, here) = (values(then), values(now));
        if there == here {
            return None;
        }
        let here = here.unwrap_or_default().join(",");
        let there = there.filter(|values| !values.is_empty());
        let there =
            there.map_or_else(|| "does not have the flag".into(), |there| format!("has {}", there.join(",")));
        Some(format!("--{flag} {here}: the session {there}; leave the flag out, or begin a new session"))
    })
}

/// Returns the value of a flag without its secrets, as the recorded command line has it, in printable form.
fn shown(flag: &str, value: &OsStr) -> String {
    let words = redacted_words([format!("--{flag}"), value.to_string_lossy().into_owned()]);
    words.last().map_or_else(String::new, |value| printable(value))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use record::{Case, Results};

    use super::*;

    /// Returns the flags of a session with this command line that continues with further flags, or the error.
    fn resumed(command: &str, flags: &[&str]) -> Result<Box<BenchArgs>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let mut record = Record::new("run", Case::new("h1"));
        record.command = Some(command.into());
        Results::create(&path).unwrap().write(&record).unwrap();
        let args = [&["longhaul", "bench", "--resume", path.to_str().unwrap()][..], flags].concat();
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        match crate::flags::parse_from(&args).map_err(|error| error.to_string())? {
            crate::flags::Command::Bench(bench) => Ok(bench),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn credentials_in_the_url_are_those_of_this_command_line_and_never_shown() {
        let command = "longhaul bench --to https://127.0.0.1:1 --protocol h1";
        let same = resumed(command, &["--to", "https://me:SeCrEt@127.0.0.1:1"]).unwrap();
        assert!(format!("{same:?}").contains("me:SeCrEt@127.0.0.1:1"));
        for other in ["https://me:SeCrEt@127.0.0.1:2", "https://127.0.0.1:1/?token=SeCrEt"] {
            let error = resumed(command, &["--to", other]).unwrap_err();
            assert!(error.contains(": the session has https://127.0.0.1:1;"), "{error}");
            assert!(!error.contains("SeCrEt"), "{error}");
        }
        let none = resumed("longhaul bench", &["--to", "https://me:SeCrEt@a"]).unwrap_err();
        assert!(none.contains("--to https://a: the session does not have the flag"), "{none}");
    }

    #[test]
    fn a_recorded_flag_may_be_repeated_without_those_that_it_needs() {
        let command = "longhaul bench --to https://127.0.0.1:1 --token-file token";
        assert!(resumed(command, &["--token-file", "token"]).is_ok());
        let error = resumed(command, &["--token-file", "other"]).unwrap_err();
        assert!(error.contains("--token-file other: the session has token;"), "{error}");
    }

    #[test]
    fn a_recorded_command_line_does_not_control_the_terminal() {
        for (command, part) in [
            ("longhaul bench '\u{1b}[2J", "is torn: longhaul bench '\\u{1b}[2J"),
            ("longhaul bench --label '***\u{1b}[2J'", "lacks a secret: ***\\u{1b}[2J;"),
            ("longhaul bench --label '\u{1b}[2J'", "the session has \\u{1b}[2J;"),
        ] {
            let error = resumed(command, &["--label", "other"]).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn help_names_the_flags_that_may_differ() {
        let mut definition = definition();
        definition.build();
        let bench = definition.find_subcommand("bench").unwrap();
        let arg = |id: &str| bench.get_arguments().find(|arg| arg.get_id() == id).unwrap();
        let help = arg("resume").get_long_help().unwrap().to_string();
        let (_, free) = help.split_once("Only ").unwrap();
        let named: HashSet<&str> =
            free.split([' ', ',', '\n']).filter_map(|word| word.strip_prefix("--")).collect();
        let expected = FREE.iter().filter(|id| **id != "resume").map(|id| arg(id).get_long().unwrap());
        assert_eq!(named, expected.collect());
    }
}
