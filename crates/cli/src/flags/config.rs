//! `bench --config FILE`: flags from a file in TOML, and several matrices in one session.
//!
//! Each key is the name of a flag. A table `[[matrix]]` describes the cases of one matrix. Its keys win over those
//! outside of tables, and flags on the command line win over both.

use std::{ffi::OsString, fs, path::Path};

use clap::{Arg, ArgMatches, Args as _, Command, parser::ValueSource};
use toml::{Table, Value};

use super::SessionArgs;

/// The name of the tables that describe a matrix.
const MATRIX: &str = "matrix";

/// Returns the command line of each matrix in a file: `args` with the flags of the file. `matches` is the parsed form of `args`.
///
/// # Errors
/// Fails if the file cannot be read, or a value cannot be that of a flag.
pub(super) fn command_lines(
    path: &Path,
    args: &[OsString],
    command: &Command,
    matches: &ArgMatches,
) -> Result<Vec<Vec<OsString>>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = matrices(&text).and_then(|tables| {
        let flags = |table: &Table| {
            let flags = table.iter().filter(|(key, _)| !is_given(key, command, matches));
            flags.map(|(key, value)| words(key, value)).collect::<Result<Vec<_>, _>>()
        };
        let line = |table: &Table| {
            let flags = flags(table)?.into_iter().flatten().map(OsString::from);
            Ok(args.iter().cloned().chain(flags).collect())
        };
        tables.iter().map(line).collect()
    });
    lines.map_err(|error: String| format!("{}: {error}", path.display()))
}

/// Returns the flags of each matrix.
fn matrices(text: &str) -> Result<Vec<Table>, String> {
    let mut shared: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let own = match shared.remove(MATRIX) {
        None => return Ok(vec![shared]),
        Some(Value::Array(own)) => own,
        Some(_) => return Err(format!("write [[{MATRIX}]] before the flags of each matrix")),
    };
    let table = |own: Value| {
        let Value::Table(own) = own else { return Err(format!("each {MATRIX} is a table of flags")) };
        if let Some(key) = own.keys().find(|key| is_of_session(key)) {
            return Err(format!("{key} is for the whole session; write it before the first [[{MATRIX}]]"));
        }
        let mut table = shared.clone();
        table.extend(own);
        Ok(table)
    };
    own.into_iter().map(table).collect()
}

/// Returns whether a key is a flag of the session, which all matrices share.
fn is_of_session(key: &str) -> bool {
    argument(&SessionArgs::augment_args(Command::new("session")), key).is_some()
}

/// Returns whether the command line has the flag of a key.
fn is_given(key: &str, command: &Command, matches: &ArgMatches) -> bool {
    let source = argument(command, key).and_then(|arg| matches.value_source(arg.get_id().as_str()));
    source == Some(ValueSource::CommandLine)
}

/// Returns the flag of a command that a key names, by any of its spellings.
fn argument<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    let flag = flag(key);
    let is_meant = |arg: &&Arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(&flag) || aliases.contains(&flag.as_str())
    };
    command.get_arguments().find(is_meant)
}

/// Returns the flag of a key: an underscore counts as a hyphen.
fn flag(key: &str) -> String {
    key.replace('_', "-")
}

/// Returns the words of a flag with its value, one for each item of a list.
fn words(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let flag = flag(key);
    let with = |value: String| Ok(vec![format!("--{flag}={value}")]);
    match value {
        Value::Boolean(true) => Ok(vec![format!("--{flag}")]),
        Value::Boolean(false) => Ok(Vec::new()),
        Value::String(text) => with(text.clone()),
        Value::Integer(number) => with(number.to_string()),
        Value::Float(number) => with(number.to_string()),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| words(key, item)).collect();
            items.map(|items| items.concat())
        }
        Value::Datetime(_) | Value::Table(_) => {
            Err(format!("{key}: use a text, a number, true, false, or a list of them"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Result<Vec<Vec<String>>, String> {
        let flags = |table: &Table| {
            let flags: Result<Vec<_>, _> = table.iter().map(|(key, value)| words(key, value)).collect();
            flags.map(|flags| flags.concat())
        };
        matrices(text)?.iter().map(flags).collect()
    }

    #[test]
    fn each_matrix_has_its_own_flags_and_those_of_all() {
        let text = "size = '1MiB'\nquiet = true\njson = false\n[[matrix]]\nprotocol = ['h2', 'h3']\nstreams = 4\n\
                    [[matrix]]\nsize = 0\nchunk_size = '1KiB..4KiB'";
        assert_eq!(
            flags(text).unwrap(),
            [
                vec!["--protocol=h2", "--protocol=h3", "--quiet", "--size=1MiB", "--streams=4"],
                vec!["--chunk-size=1KiB..4KiB", "--quiet", "--size=0"],
            ]
        );
        assert_eq!(flags("").unwrap(), [vec![""; 0]]);
    }

    #[test]
    fn what_is_no_flag_is_refused_with_its_key() {
        for (text, part) in [
            ("size = ", "line 1"),
            ("[size]\nx = 1", "size: use a text"),
            ("matrix = 1", "[[matrix]]"),
            ("[[matrix]]\nrounds = 3", "rounds is for the whole session"),
        ] {
            let error = flags(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
