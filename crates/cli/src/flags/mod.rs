//! The command line: flags as typed values, and plain options for the libraries.

mod access;
mod bench;
mod check;
mod compare;
mod config;
mod conform;
mod connect;
mod definition;
mod handshake;
mod help;
mod limits;
mod load;
mod merge;
mod names;
mod network;
mod plan;
mod prove;
mod proxy;
mod remote;
mod repeat;
mod report;
mod reproduce;
mod request;
mod resume;
mod run;
mod serve;
mod session;
mod trust;
mod values;

use std::{env, ffi::OsString, process::ExitCode};

use clap::{
    ArgMatches, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

pub(crate) use bench::BenchArgs;
pub(crate) use check::CheckArgs;
pub(crate) use compare::{CompareArgs, Inconclusive};
pub(crate) use conform::ConformArgs;
pub(crate) use definition::{Section, sections};
pub(crate) use help::{CompletionsArgs, HelpArgs, ManArgs};
pub(crate) use merge::MergeArgs;
pub(crate) use plan::PlanArgs;
#[cfg(test)]
pub(crate) use prove::LEAST_SLOPE_LIMIT;
pub(crate) use prove::{ListenerRole, ProveArgs, STALL, SUBJECT_SLOPE_LIMIT};
pub(crate) use remote::{FetchArgs, RemoteArgs, SendArgs};
pub(crate) use report::ReportArgs;
pub(crate) use reproduce::ReproduceArgs;
pub(crate) use run::{Defaults, MAX_CONNECTIONS, MAX_THREADS, RunArgs};
pub(crate) use serve::{Listen, ServeArgs};
pub(crate) use session::SessionArgs;

use tracing::Level;

use crate::{exit::USAGE, log::LogFormat, output::set_colour, program::long_version};

/// Measures how fast, and in how little memory, HTTP/1.1, HTTP/2 and HTTP/3 carry multi-gigabyte bodies.
#[derive(Debug, Parser)]
#[command(name = "longhaul", disable_help_subcommand = true, version, long_version = long_version(), max_term_width = 100)]
struct Cli {
    /// Colour verdicts and warnings: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_default_value = true)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a matrix of transfers on this machine, and measure both ends.
    Bench(Box<BenchArgs>),
    /// List the programs that `bench --peer` knows, and whether they are installed.
    Peers,
    /// Receive uploads and serve downloads for remote clients, curl and browsers.
    Serve(Box<ServeArgs>),
    /// Upload one body to any HTTP server.
    Send(Box<SendArgs>),
    /// Download one body from any HTTP server.
    Fetch(Box<FetchArgs>),
    /// Prove that memory stays constant whatever the size of the body.
    Prove(Box<ProveArgs>),
    /// Test the backpressure of a client, a server or a proxy, case by case.
    Conform(Box<ConformArgs>),
    /// Repeat recorded runs on this machine, and say which of their claims hold here.
    Reproduce(Box<ReproduceArgs>),
    /// Compute windows that fill a path, and the memory that stalled readers then hold.
    Plan(PlanArgs),
    /// Check records against memory ceilings.
    Check(CheckArgs),
    /// Compare two sets of records, with confidence intervals.
    Compare(CompareArgs),
    /// Render records: a page for a browser, Markdown, CSV, JUnit XML.
    Report(ReportArgs),
    /// Put the records of several senders into one folder, with their sum.
    Merge(MergeArgs),
    /// Diagnose conditions of this machine that spoil measurements, with their cost and remedy.
    Doctor,
    /// Print the help of a command.
    Help(HelpArgs),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them.
    Man(ManArgs),
    /// Print the JSON Schema of records.
    Schema,
    /// Print the licences of the libraries in this program.
    Licenses,
}

impl Command {
    /// Returns the level of the log unless LONGHAUL_LOG names one. A server warns of connections that it cannot accept.
    /// `None` logs nothing.
    pub(crate) fn log_level(&self) -> Option<Level> {
        match self {
            Self::Serve(args) if args.verbose => Some(Level::DEBUG),
            Self::Serve(args) if args.log_format == LogFormat::Json => Some(Level::INFO),
            Self::Serve(_) => Some(Level::WARN),
            Self::Send(args) => args.remote.verbose.then_some(Level::DEBUG),
            Self::Fetch(args) => args.remote.verbose.then_some(Level::DEBUG),
            _ => None,
        }
    }

    /// Returns the form of the log.
    pub(crate) fn log_format(&self) -> LogFormat {
        match self {
            Self::Serve(args) => args.log_format,
            _ => LogFormat::Text,
        }
    }
}

/// Reads the command line. Help and version are printed on stdout; an error is reported on stderr, with the nearest flag
/// and the usage.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    let args: Vec<OsString> = env::args_os().collect();
    parse_from(&args).map_err(|error| {
        let error = with_separator_tip(with_usage(error, &args), &args);
        // The reader of the text may be gone.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Adds the usage of the command to an error about a value, which has none by itself.
fn with_usage(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let is_of_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    if is_of_value && error.get(ContextKind::Usage).is_none() {
        let mut definition = definition();
        definition.build();
        let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
        let name = words.into_iter().find(|word| definition.find_subcommand(word).is_some());
        if let Some(command) = name.and_then(|name| definition.find_subcommand_mut(name)) {
            error.insert(ContextKind::Usage, ContextValue::StyledStr(command.render_usage()));
        }
    }
    error
}

/// Adds a tip to an error about a word that may begin the command line of a program under test, if `--` is missing before
/// it.
fn with_separator_tip(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let is_of_program = |arg: &&OsString| {
        ["--client", "--server", "--proxy", "--series"].iter().any(|flag| arg.as_os_str() == *flag)
    };
    let may_begin_program = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) => !word.starts_with('-'),
        (kind, _) => kind == ErrorKind::ArgumentConflict,
    };
    // Two of these flags exclude each other, whatever comes after them.
    let has_program = args.iter().filter(is_of_program).count() == 1;
    if may_begin_program && has_program && !args.iter().any(|arg| arg == "--") {
        let tip = "the command line of your program comes after '--'";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

fn parse_from(args: &[OsString]) -> Result<Command, clap::Error> {
    let matches = definition().try_get_matches_from(args)?;
    let Cli { color, command } = Cli::from_arg_matches(&matches)?;
    set_colour(color);
    let (Command::Bench(bench), Some((name, matches))) = (command, matches.subcommand()) else {
        return Cli::from_arg_matches(&matches).map(|cli| cli.command);
    };
    let definition = definition();
    let Some(flags) = definition.find_subcommand(name) else { return Ok(Command::Bench(bench)) };
    let bench = match &bench.resume {
        Some(folder) => resume::original(folder, flags, (&bench, matches))?,
        None => with_config(bench, args, flags, matches)?,
    };
    Ok(Command::Bench(bench))
}

/// Adds the flags of the file of `--config` to those of `bench`, including its further matrices.
fn with_config(
    bench: Box<BenchArgs>,
    args: &[OsString],
    flags: &clap::Command,
    matches: &ArgMatches,
) -> Result<Box<BenchArgs>, clap::Error> {
    let Some(path) = &bench.config else { return Ok(bench) };
    let lines = config::command_lines(path, args, flags, matches);
    let lines = lines.map_err(|error| clap::Error::raw(ErrorKind::Io, format!("--config {error}\n")))?;
    let of_file = |error: clap::Error| {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        clap::Error::raw(error.kind(), format!("--config {}: {text}", path.display()))
    };
    let commands: Result<Vec<Command>, _> =
        lines.iter().map(|line| parse_once(line).map_err(of_file)).collect();
    let matrices = commands?.into_iter().filter_map(|command| match command {
        Command::Bench(bench) => Some(bench),
        _ => None,
    });
    let first = matrices.reduce(|mut first, further| {
        first.further.push(further.runs);
        first
    });
    Ok(first.unwrap_or(bench))
}

fn parse_once(args: &[OsString]) -> Result<Command, clap::Error> {
    let matches = definition().try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches).map(|cli| cli.command)
}

/// Returns the definition of all commands and flags.
pub(crate) fn definition() -> clap::Command {
    definition::complete(Cli::command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        definition().debug_assert();
    }

    #[test]
    fn an_error_has_the_possible_values_and_the_nearest_flag_in_lines_of_their_own() {
        let error = |args: &[&str]| {
            let args: Vec<OsString> =
                [&["longhaul", "bench"], args].concat().iter().map(OsString::from).collect();
            let Err(error) = parse_from(&args) else { panic!("no error") };
            with_usage(error, &args).render().to_string()
        };
        let message = error(&["--protocol", "h4"]);
        assert!(message.contains("'h4'") && message.contains("\n  [possible values: tcp, "), "{message}");
        assert!(message.contains("\n\nUsage: longhaul bench [OPTIONS]\n"), "{message}");
        let message = error(&["--chunk-size", "0"]);
        assert!(message.contains("from 1 B to 64 MiB"), "{message}");
        let message = error(&["--rounds", "0"]);
        assert!(message.contains("'--rounds <N>': use a whole number of at least 1\n"), "{message}");
        let message = error(&["--protocl", "h2"]);
        assert!(message.starts_with("error: unexpected argument '--protocl' found\n"), "{message}");
        assert!(message.contains("\n  tip: a similar argument exists: '--protocol'\n"), "{message}");
        assert!(message.contains("\nUsage: longhaul bench"), "{message}");
    }

    #[test]
    fn a_program_without_its_separator_has_a_tip() {
        let error = |args: &[&str]| {
            let args: Vec<OsString> = [&["longhaul"], args].concat().iter().map(OsString::from).collect();
            let Err(error) = parse_from(&args) else { panic!("no error") };
            with_separator_tip(error, &args).render().to_string()
        };
        let tip = "\n  tip: the command line of your program comes after '--'\n";
        for args in [
            ["prove", "--client", "curl"].as_slice(),
            &["prove", "--server", "http://127.0.0.1:1/", "nginx"],
            &["conform", "--client", "curl"],
        ] {
            assert!(error(args).contains(tip), "{}", error(args));
        }
        for args in [
            ["prove", "--client", "--protocl"].as_slice(),
            &["bench", "curl"],
            &["prove", "--client", "--server", "http://127.0.0.1:1/"],
        ] {
            assert!(!error(args).contains(tip), "{}", error(args));
        }
    }

    #[test]
    fn the_short_flags_and_the_former_spellings_are_those_of_the_long_ones() {
        let session = |args: &[&str]| {
            let args = [&["longhaul", "bench"], args].concat();
            match Cli::try_parse_from(args).unwrap().command {
                Command::Bench(args) => args.runs.session,
                other => panic!("{other:?}"),
            }
        };
        let short = session(&["-q", "-r", "3", "-P", "2", "-o", "x"]);
        let long = session(&["--quiet", "--rounds", "3", "--connections", "2", "--out", "x"]);
        assert_eq!((short.quiet, short.rounds, &short.output), (true, Some(3), &long.output));
        assert_eq!((long.quiet, long.rounds, long.output.is_some()), (true, Some(3), true));
    }
}
