//! The command line: flags as typed values, and plain options for the libraries.

mod access;
mod bench;
mod check;
mod compare;
mod conform;
mod connect;
mod handshake;
mod help;
mod limits;
mod load;
mod prove;
mod proxy;
mod remote;
mod repeat;
mod report;
mod reproduce;
mod request;
mod run;
mod serve;
mod session;
mod trust;
mod values;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

pub(crate) use bench::BenchArgs;
pub(crate) use check::CheckArgs;
pub(crate) use compare::{CompareArgs, Inconclusive};
pub(crate) use conform::ConformArgs;
pub(crate) use help::{CompletionsArgs, ManArgs};
#[cfg(test)]
pub(crate) use prove::LEAST_SLOPE_LIMIT;
pub(crate) use prove::{ListenerRole, ProveArgs};
pub(crate) use remote::{FetchArgs, RemoteArgs, SendArgs};
pub(crate) use report::ReportArgs;
pub(crate) use reproduce::ReproduceArgs;
pub(crate) use run::{Defaults, MAX_CONNECTIONS, RunArgs};
pub(crate) use serve::{Listen, ServeArgs};
pub(crate) use session::SessionArgs;

use tracing::Level;

use crate::exit::USAGE;

/// Measures how fast, and in how little memory, HTTP/1.1, HTTP/2 and HTTP/3 carry multi-gigabyte bodies.
#[derive(Debug, Parser)]
#[command(name = "longhaul", version, max_term_width = 100)]
struct Cli {
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
    /// Prove that memory stays constant whatever the size of the body; exit 4 if it grows, 6 if that is unclear.
    Prove(Box<ProveArgs>),
    /// Test the backpressure of a client, a server or a proxy case by case; exit 5, 4 or 1 if a body is corrupted, memory
    /// grows, or a transfer dies or stalls, 6 if no case applies
    Conform(Box<ConformArgs>),
    /// Repeat recorded runs on this machine, and say which of their claims hold here; exit 3 or 4 if one does not, 6 if
    /// that is unclear
    Reproduce(Box<ReproduceArgs>),
    /// Check records against memory ceilings; exit 4 on a breach.
    Check(CheckArgs),
    /// Compare two sets of records, with confidence intervals.
    Compare(CompareArgs),
    /// Render records: a page for a browser, Markdown, CSV, JUnit XML.
    Report(ReportArgs),
    /// Diagnose conditions of this machine that spoil measurements, with their cost and remedy.
    Doctor,
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Write manual pages.
    Man(ManArgs),
    /// Print the licences of the libraries in this program.
    Licenses,
}

impl Command {
    /// Returns the default level of the log: a server warns of connections that it cannot accept. `None` logs nothing.
    pub(crate) fn log_level(&self) -> Option<Level> {
        matches!(self, Self::Serve(_)).then_some(Level::WARN)
    }
}

/// Reads the command line. Help and version are printed; an error is reported in one line.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            eprintln!("{}", one_line(&error.render().to_string()));
            ExitCode::from(USAGE)
        }
    })
}

/// Returns the definition of all flags, for completions and manual pages.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// Returns clap's message without its usage block.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let stated: Vec<_> =
        lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    stated.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        definition().debug_assert();
    }

    #[test]
    fn an_error_is_one_line_that_lists_the_possible_values() {
        let error = |args: &[&str]| one_line(&Cli::try_parse_from(args).unwrap_err().render().to_string());
        let message = error(&["longhaul", "bench", "--protocol", "h4"]);
        assert!(!message.contains('\n') && message.contains("'h4'") && message.contains("h2c"), "{message}");
        let message = error(&["longhaul", "bench", "--chunk-size", "0"]);
        assert!(message.contains("from 1 B to 64 MiB"), "{message}");
        let message = error(&["longhaul", "bench", "--bogus"]);
        assert!(message.starts_with("error: unexpected argument '--bogus' found"), "{message}");
    }
}
