//! The defaults of each command in the help of its flags, formatted from the values that are in force.

use clap::{Arg, Command};
use client::Upload;
use record::{
    ByteSize, DEFAULT_SLOPE_LIMIT, DEFAULT_SPIN, Direction, LIMITS, Limits, PROTOCOLS, Profile, Protocol,
};
use serve::{DEFAULT_PORT, DEFAULT_TLS_PORT};
use subject::LEAST_BODY;

use crate::flags::{Defaults, STALL, SUBJECT_SLOPE_LIMIT};

/// States the defaults of a command.
pub(super) fn state(command: Command) -> Command {
    match command.get_name() {
        "bench" => of_matrix(of_limits(command, None), &[&Defaults::BENCH]),
        "prove" => {
            let matrix = &[&Defaults::PROVE, &Defaults::PROVE_SUBJECT];
            of_proof(of_matrix(of_limits(command, None), matrix))
        }
        "send" => {
            let command = of_limits(command, Some(&Limits::for_any_peer(Profile::default())));
            stated(command, [("size", Upload::SIZE.to_string())])
        }
        "conform" => command.mut_arg("size", |arg| {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.help(format!("{help}; at least {LEAST_BODY}"))
        }),
        "fetch" => of_limits(command, Some(&Limits::for_any_peer(Profile::default()))),
        "serve" => {
            let options = serve::Options::default();
            of_guards(of_ports(of_limits(command, Some(&options.limits))), &options)
        }
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
    let axes = [
        ("direction", both(directions)),
        ("chunk_size", both(|it| list(it.chunks.iter().map(|bytes| ByteSize(*bytes).to_string())))),
        ("size", format!("{}, or the size of the payload's file", both(|it| list(it.bodies)))),
        ("rounds", both(|it| it.rounds.to_string())),
        ("spin", format!("{}us; --profile stock: 0", DEFAULT_SPIN.as_micros())),
    ];
    let command = stated(command, axes);
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

/// States the defaults of the judgement of memory.
fn of_proof(command: Command) -> Command {
    let slope = format!("{DEFAULT_SLOPE_LIMIT}; for a program of yours: {SUBJECT_SLOPE_LIMIT}");
    let stall = format!(
        "{}s, for a program of yours that sends a body of at least {LEAST_BODY}",
        STALL.as_secs_f64()
    );
    stated(command, [("slope_limit", slope), ("stall", stall)])
}

/// States the default ports.
fn of_ports(command: Command) -> Command {
    let ports = [("listen", DEFAULT_PORT, "--listen-tls"), ("listen_tls", DEFAULT_TLS_PORT, "--listen")];
    let default = |port, other| {
        format!("127.0.0.1:{port}, or a free port if it is in use; none if only {other} is given")
    };
    stated(command, ports.map(|(flag, port, other)| (flag, default(port, other))))
}

/// States the guards of a server that depend on the machine or on other options.
fn of_guards(command: Command, options: &serve::Options) -> Command {
    let fitting = |most: u32| format!("{most}, or what memory and open files admit");
    let guards = [
        ("max_chunk", ByteSize::from(options.max_chunk).to_string()),
        ("max_connections", fitting(options.max_connections)),
        ("max_requests", fitting(options.max_requests)),
        ("max_header", options.guards.header_bytes.to_string()),
    ];
    stated(command, guards)
}

/// Appends its default to the help of each flag.
fn stated<const N: usize>(command: Command, defaults: [(&'static str, String); N]) -> Command {
    defaults
        .into_iter()
        .fold(command, |command, (flag, default)| command.mut_arg(flag, |arg| with_default(arg, &default)))
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
