//! The rule of libraries that a crate must not depend on.

use super::Below;
use crate::workspace::Package;

/// Parsers of command lines, which belong in programs only.
const COMMAND_LINE: &[&str] = &["clap", "clap_builder"];

/// Asynchronous runtimes.
const RUNTIMES: &[&str] = &["tokio", "async-std", "smol"];

/// Implementations of HTTP, TLS and QUIC.
const PROTOCOLS: &[&str] = &[
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "h2",
    "h3",
    "h3-quinn",
    "quinn",
    "quinn-proto",
    "rustls",
    "aws-lc-rs",
];

/// The members with restrictions, by folder name, and the libraries that must not be among their direct or indirect
/// dependencies.
const FORBIDDEN: &[(&str, &[&[&str]])] = &[
    ("record", &[COMMAND_LINE, RUNTIMES, PROTOCOLS]),
    ("stats", &[COMMAND_LINE, RUNTIMES, PROTOCOLS]),
    ("process", &[COMMAND_LINE, RUNTIMES, PROTOCOLS]),
    ("analyse", &[COMMAND_LINE, RUNTIMES, PROTOCOLS]),
    ("allocator", &[COMMAND_LINE, RUNTIMES, PROTOCOLS]),
    ("payload", &[COMMAND_LINE, PROTOCOLS]),
    ("metrics", &[COMMAND_LINE, RUNTIMES, PROTOCOLS]),
    ("sender", &[COMMAND_LINE, &["hyper", "h2", "h3", "quinn", "rustls"]]),
    ("receiver", &[COMMAND_LINE, &["hyper", "h2", "h3", "quinn", "rustls"]]),
    ("transport", &[COMMAND_LINE]),
    ("network", &[COMMAND_LINE]),
    ("run", &[COMMAND_LINE]),
    ("serve", &[COMMAND_LINE]),
    ("client", &[COMMAND_LINE]),
    ("subject", &[COMMAND_LINE]),
];

/// Returns whether a member has restrictions.
pub(super) fn are_restricted(package: &Package) -> bool {
    FORBIDDEN.iter().any(|(name, _)| *name == package.short_name())
}

/// Returns the forbidden libraries below a crate.
pub(super) fn broken(below: &Below<'_>) -> Vec<String> {
    let package = below.package;
    let groups =
        FORBIDDEN.iter().filter(|(name, _)| *name == package.short_name()).flat_map(|(_, groups)| *groups);
    let forbidden: Vec<&str> = groups.flat_map(|group| *group).copied().collect();
    let found = below.packages.iter().filter(|below| forbidden.contains(&below.name.as_str()));
    found
        .map(|found| format!("{}: must not have {} {} below it", package.name, found.name, found.version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::{library, member};

    #[test]
    fn a_forbidden_library_below_a_crate_is_one_line() {
        let (record, serde, tokio) =
            (member("longhaul-record", &["serde"]), library("serde", "1.56"), library("tokio", "1.71"));
        let below = Below { package: &record, packages: vec![&record, &serde, &tokio] };
        assert_eq!(broken(&below), ["longhaul-record: must not have tokio 0.1.0 below it"]);
    }

    #[test]
    fn restrictions_belong_to_a_crate() {
        let (run, tokio, clap) =
            (member("longhaul-run", &["tokio"]), library("tokio", "1.71"), library("clap", "1.85"));
        assert!(are_restricted(&run) && !are_restricted(&member("longhaul", &[])));
        let below = Below { package: &run, packages: vec![&run, &tokio, &clap] };
        assert_eq!(broken(&below), ["longhaul-run: must not have clap 0.1.0 below it"]);
    }
}
