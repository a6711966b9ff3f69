//! The defaults of each command in the help of its flags, formatted from the values that are in force.

use clap::{Arg, Command};
use record::{ByteSize, DEFAULT_SPIN, Direction, LIMITS, Limits, PROTOCOLS, Profile, Protocol};
use serve::{DEFAULT_PORT, DEFAULT_TLS_PORT};

use crate::cli::Defaults;

/// States the defaults of a command.
pub(super) fn state(command: Command) -> Command {
    match command.get_name() {
        "bench" => of_matrix(of_limits(command, None), &[&Defaults::BENCH]),
        "prove" => of_matrix(of_limits(command, None), &[&Defaults::PROVE, &Defaults::PROVE_SUBJECT]),
        "send" | "fetch" => of_limits(command, Some(&Limits::for_any_peer(Profile::default()))),
        "serve" => of_ports(of_limits(command, Some(&serve::Options::default().limits))),
        _ => command,
    }
}

/// States the axes of a matrix: the defaults of the command, and those for a program of the user if they differ.
fn of_matrix(command: Command, defaults: &[&Defaults]) -> Command {
    let both = |text: fn(&Defaults) -> String| match defaults {
        [own, subject] if text(own) != text(subject) => {
            format!("{}; for a program of yours: {}", text(own), text(subject))
        }
        [own, ..] => text(own),
        [] => String::new(),
    };
    let command = [
        ("direction", both(directions)),
        ("chunk_size", both(|it| list(it.chunks.iter().map(|bytes| ByteSize(*bytes).to_string())))),
        ("size", format!("{}, or the size of the payload's file", both(|it| list(it.bodies)))),
        ("rounds", both(|it| it.rounds.to_string())),
        ("spin", format!("{}us; --profile stock: 0", DEFAULT_SPIN.as_micros())),
    ]
    .into_iter()
    .fold(command, |command, (flag, default)| command.mut_arg(flag, |arg| with_default(arg, &default)));
    let is_run = |protocol: &&Protocol| defaults.iter().any(|it| (it.protocols)(protocol));
    let names = |is_chosen: &dyn Fn(&&Protocol) -> bool| {
        list(PROTOCOLS.iter().filter(is_chosen).map(|protocol| protocol.name)).replace(',', ", ")
    };
    let http = names(&|protocol| protocol.is_http());
    let others = names(&|protocol| !protocol.is_http() && is_run(protocol));
    let text = match (others.as_str(), defaults) {
        ("", [_, subject]) => {
            let of_subject = names(&|protocol| (subject.protocols)(protocol));
            format!(
                "Protocols, separated by commas: {http} [default: all; for a program of yours: {of_subject}]"
            )
        }
        _ => format!("Protocols, separated by commas: {http}, and without HTTP {others} [default: all]"),
    };
    command.mut_arg("protocol", |arg| arg.help(text))
}

fn directions(defaults: &Defaults) -> String {
    match defaults.directions {
        [Direction::Up, Direction::Down] => "both".into(),
        directions => list(directions),
    }
}

/// States the values of all limits: those of `limits`, or those of a measurement on one machine.
fn of_limits(command: Command, limits: Option<&Limits>) -> Command {
    LIMITS.iter().fold(command, |command, limit| {
        let value = limits.map_or_else(|| limit.default.to_string(), |limits| limits.get(limit).to_string());
        command.mut_arg(limit.flag, |arg| with_default(arg, &value))
    })
}

/// States the default ports.
fn of_ports(command: Command) -> Command {
    let ports = [("listen", DEFAULT_PORT, "--listen-tls"), ("listen_tls", DEFAULT_TLS_PORT, "--listen")];
    ports.into_iter().fold(command, |command, (flag, port, other)| {
        let default =
            format!("127.0.0.1:{port}, or a free port if it is in use; none if only {other} is given");
        command.mut_arg(flag, |arg| with_default(arg, &default))
    })
}

/// Appends a default to the help of a flag.
fn with_default(arg: Arg, default: &str) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.help(format!("{help} [default: {default}]"))
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",")
}
