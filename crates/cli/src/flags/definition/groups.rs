//! The groups of flags in help. Short help (`-h`) has the flags that most users need, and fits a screen.

use clap::{Arg, Command};

/// A group of flags, by their ids.
struct Group {
    heading: &'static str,
    /// The flags that short help has as well.
    common: &'static [&'static str],
    further: &'static [&'static str],
}

const MATRIX: Group = Group {
    heading: "What to run",
    common: &[
        "protocol",
        "direction",
        "chunk_size",
        "size",
        "payload",
        "sink",
        "connections",
        "streams",
        "reader_rate",
        "peers",
        "to",
        "config",
        "resume",
    ],
    further: &["limit_rate", "seed", "no_ceiling"],
};

const PROVEN_MATRIX: Group = Group {
    common: &["protocol", "direction", "chunk_size", "size"],
    further: &[
        "payload",
        "sink",
        "connections",
        "streams",
        "reader_rate",
        "limit_rate",
        "seed",
        "no_ceiling",
    ],
    ..MATRIX
};

const SUBJECT: Group = Group {
    heading: "A program of yours",
    common: &["client", "server", "proxy", "series"],
    further: &["download", "upstream", "watch", "ready", "stall", "content_length", "cases"],
};

const ROUNDS: Group = Group {
    heading: "Rounds and time",
    common: &["rounds", "precision", "max_time"],
    further: &["warmup", "order", "timeout", "within"],
};

const PROOF: Group = Group { heading: "Proof", common: &["no_control"], further: &["slope_limit", "trace"] };

const MACHINE: Group = Group {
    heading: "Machine",
    common: &[],
    further: &[
        "threads",
        "network",
        "network_kernel",
        "address",
        "affinity",
        "idle",
        "settle",
        "spin",
        "observe_framing",
    ],
};

const OUTPUT: Group = Group {
    heading: "Output",
    common: &["output", "json", "quiet", "list"],
    further: &[
        "title",
        "label",
        "results",
        "csv",
        "junit",
        "interval",
        "verbose",
        "log_format",
        "explain_memory",
        "access_log",
    ],
};

const REQUEST: Group = Group {
    heading: "Request",
    common: &["headers", "method", "location"],
    further: &[
        "user",
        "oauth2_bearer",
        "token_file",
        "expect_status",
        "max_redirs",
        "content_length",
        "expect100_timeout",
        "retry",
        "retry_delay",
        "retry_max_time",
        "timeout",
        "max_time",
        "rounds",
        "start_at",
    ],
};

const BODY: Group = Group {
    heading: "Body",
    common: &["payload", "upload_file", "form", "size", "output", "continue_at", "protocol"],
    further: &["chunk_size", "limit_rate", "reader_rate", "seed"],
};

const CONNECTION: Group = Group {
    heading: "Connection",
    common: &["connections", "streams"],
    further: &[
        "threads",
        "ipv4",
        "ipv6",
        "resolve",
        "connect_to",
        "unix_socket",
        "proxy",
        "proxy_user",
        "proxytunnel",
        "resume_session",
        "early_data",
    ],
};

const TRUST: Group = Group {
    heading: "Certificates and TLS",
    common: &["cacert", "pin", "insecure"],
    further: &["cert", "key", "tls12", "keylog", "client_ca", "accept_early_data"],
};

const LISTEN: Group = Group {
    heading: "Server",
    common: &["listen", "listen_tls", "sink", "measure"],
    further: &["measure_port", "threads", "metrics", "grace"],
};

const SERVE_TRUST: Group = Group { common: &["cert", "key"], ..TRUST };

const ACCESS: Group = Group {
    heading: "Access",
    common: &["token_file", "open", "upload_only", "no_overwrite"],
    further: &["hosts", "origins", "access_log"],
};

const PEER_HOST: Group = Group { heading: "The other host (--to)", common: &[], further: &["token_file"] };

const CONFORMANCE: Group = Group {
    heading: "What to run",
    common: &["cases", "protocol", "direction"],
    further: &["stall", "size", "timeout", "network"],
};

/// The groups of a command. The first group that has a flag counts.
struct Groups {
    /// The groups whose common flags `-h` shows.
    main: &'static [&'static Group],
    /// The groups whose flags only `--help` shows.
    rare: &'static [&'static Group],
}

/// Returns the groups of a command; none for a command with few flags.
fn groups(command: &str) -> Option<Groups> {
    let groups = |main, rare| Some(Groups { main, rare });
    match command {
        "bench" => groups(&[&MATRIX, &ROUNDS, &MACHINE, &OUTPUT], &[&PEER_HOST, &TRUST]),
        "prove" => groups(
            &[&SUBJECT, &PROVEN_MATRIX, &PROOF, &ROUNDS, &MACHINE, &OUTPUT],
            &[&REQUEST, &CONNECTION, &TRUST],
        ),
        "reproduce" => groups(&[&ROUNDS, &MACHINE, &OUTPUT], &[]),
        "send" | "fetch" => groups(&[&BODY, &REQUEST, &CONNECTION, &TRUST, &OUTPUT], &[]),
        "serve" => groups(&[&LISTEN, &ACCESS, &SERVE_TRUST, &OUTPUT], &[]),
        "conform" => groups(&[&CONFORMANCE, &SUBJECT, &OUTPUT], &[&REQUEST, &CONNECTION, &TRUST]),
        _ => None,
    }
}

/// The one flag of the limits that short help has: it names a set of values. The definition of the limits sets their
/// heading.
const PROFILE: &str = "profile";

/// Puts the flags of a command into groups, and hides the flags that few users need from short help.
pub(super) fn arrange(command: Command) -> Command {
    match groups(command.get_name()) {
        Some(groups) => command.mut_args(|arg| place(arg, &groups)),
        None => command,
    }
}

fn place(arg: Arg, groups: &Groups) -> Arg {
    if arg.is_positional() {
        return arg;
    }
    let id = arg.get_id().to_string();
    let has = |flags: &[&str]| flags.contains(&id.as_str());
    let find = |groups: &[&'static Group]| {
        groups.iter().find(|group| has(group.common) || has(group.further)).copied()
    };
    let main = find(groups.main);
    let is_common = id == PROFILE || main.is_some_and(|group| has(group.common));
    let arg = arg.hide_short_help(!is_common);
    match main.or_else(|| find(groups.rare)) {
        Some(group) => arg.help_heading(group.heading),
        None => arg,
    }
}
