//! The further sections of help and of manual pages: examples, exit status, environment and files.

use analyse::Verdict;
use clap::Command;

use crate::exit::USAGE;

/// A section: a title, and entries with their meanings.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) entries: Vec<(String, &'static str)>,
}

/// A command line and what it does.
type Example = (&'static str, &'static str);

const BENCH: &[Example] = &[
    ("longhaul bench", "All protocols, 2 GiB bodies, both ends on this machine"),
    (
        "longhaul bench --protocol h2,h3 --size 256MiB --direction both",
        "HTTP/2 and HTTP/3, smaller bodies, up and down",
    ),
    (
        "longhaul bench --chunk-size 4KiB..1MiB --size 1GiB --list",
        "The cases of a sweep, and its time, before it runs",
    ),
    ("longhaul bench --protocol h2c -P 4 --streams 8", "32 bodies at once, on four connections"),
    (
        "longhaul bench --to https://HOST:8434 --cacert cert.pem --token-file token",
        "Over a network: the servers' ends run on HOST, where longhaul serve --measure listens",
    ),
    ("longhaul bench --precision 2% --max-time 5m -o results/before", "Rounds until the figures are precise"),
];

const PROVE: &[Example] = &[
    ("longhaul prove", "Does the memory of longhaul's own ends stay constant?"),
    (
        "longhaul prove --server 'http://127.0.0.1:{port}/' -- ./my-server --port {port}",
        "And that of a server of yours?",
    ),
    ("longhaul prove --client -- curl -sT {file} {url}", "Of a client of yours?"),
];

const CONFORM: &[Example] = &[
    (
        "longhaul conform 'http://127.0.0.1:{port}/' -- ./my-server --port {port}",
        "Does a server of yours hold its senders back?",
    ),
    ("longhaul conform --client -- curl -sT {file} {url}", "Does a client of yours wait for a slow server?"),
    ("longhaul conform --list", "The cases"),
];

const SERVE: &[Example] = &[
    ("longhaul serve", "A server for this machine, which verifies and drops uploads"),
    ("longhaul serve --sink save:/srv/uploads", "A server that keeps uploads"),
    ("longhaul serve --listen-tls 0.0.0.0:8434 --token-file token", "A server for other machines"),
    (
        "longhaul serve --measure --listen-tls 0.0.0.0:8434 --token-file token",
        "One end of a bench over two hosts",
    ),
];

const SEND: &[Example] = &[
    ("longhaul send http://127.0.0.1:8430/ --size 1GiB", "A generated body to `longhaul serve`"),
    (
        "longhaul send https://some.host/upload -T some.iso -H 'Authorization: Bearer TOKEN'",
        "A file to any server",
    ),
    (
        "longhaul send https://127.0.0.1:8434/ -T some.iso -C - --protocol h3 -k",
        "A file over HTTP/3, resumed if it broke off before",
    ),
];

const FETCH: &[Example] = &[
    ("longhaul fetch 'http://127.0.0.1:8430/?size=1GiB'", "A generated body of `longhaul serve`"),
    ("longhaul fetch https://some.host/some.iso --protocol h3 -o some.iso", "A file over HTTP/3"),
];

const REPRODUCE: &[Example] =
    &[("longhaul reproduce results/before", "Do the claims of earlier records hold here?")];

const PLAN: &[Example] = &[
    (
        "longhaul plan --rate 1Gbit --rtt 80ms --readers 500 --memory 256MiB",
        "Windows for 500 uploads at once over a long path, in 256 MiB",
    ),
    (
        "longhaul plan --rate 100Mbit --rtt 30ms --readers 1000 --memory 4GiB --end sender --json",
        "Buffers of a server whose clients stand still, for a program",
    ),
];

const CHECK: &[Example] = &[
    (
        "longhaul check results/before --write-ceilings ceilings.toml",
        "Ceilings of memory from records that are good",
    ),
    ("longhaul check results/after --ceilings ceilings.toml --junit check.xml", "The gate of a CI job"),
];

const COMPARE: &[Example] = &[
    ("longhaul compare results/before results/after", "What has changed, with intervals"),
    ("longhaul compare results/before results/after --fail-on worse --threshold 5%", "The gate of a CI job"),
];

const MERGE: &[Example] = &[(
    "longhaul merge results/sender-* -o results/fleet --expect 8",
    "The records of eight senders in one folder, with their sum",
)];

const REPORT: &[Example] = &[
    ("longhaul report results/before", "The page, and all other formats, in the folder report"),
    (
        "longhaul report results/before results/after --format csv,markdown -o both",
        "Two sets of records in one",
    ),
];

const COMPLETIONS: &[Example] =
    &[("longhaul completions bash > ~/.local/share/bash-completion/completions/longhaul", "For bash")];

const MAN: &[Example] = &[
    ("longhaul man bench | man -l -", "The page of one command"),
    ("longhaul man -o ~/.local/share/man/man1", "All pages"),
];

const TOP: &[Example] = &[
    ("longhaul bench", "How fast is HTTP here, and in how little memory?"),
    (
        "longhaul prove --server 'http://127.0.0.1:{port}/' -- ./my-server --port {port}",
        "Does my server stream?",
    ),
    ("longhaul serve", "A counterpart for curl, browsers, `longhaul send` and `longhaul fetch`"),
    ("longhaul help bench", "All flags of a command"),
];

fn examples(command: &str) -> &'static [Example] {
    match command {
        "bench" => BENCH,
        "prove" => PROVE,
        "conform" => CONFORM,
        "serve" => SERVE,
        "send" => SEND,
        "fetch" => FETCH,
        "reproduce" => REPRODUCE,
        "check" => CHECK,
        "plan" => PLAN,
        "compare" => COMPARE,
        "report" => REPORT,
        "merge" => MERGE,
        "completions" => COMPLETIONS,
        "man" => MAN,
        "longhaul" => TOP,
        _ => &[],
    }
}

/// Returns the verdicts that are particular to a command, with their meanings.
fn verdicts(command: &str) -> &'static [(Verdict, &'static str)] {
    use Verdict::{Inconclusive, IntegrityFailed, Interrupted, MemoryOver, RunFailed, Slower};
    match command {
        "merge" => &[
            (IntegrityFailed, "the content of a run was not the same at both ends"),
            (RunFailed, "a run failed, a sender is missing (--expect), or the folder cannot be written"),
            (Inconclusive, "the senders did not all run at the same time"),
            (Interrupted, "interrupted; nothing is written"),
        ],
        "bench" => &[
            (RunFailed, "a run failed, or the results cannot be written"),
            (MemoryOver, "memory over its budget"),
            (IntegrityFailed, "received bytes differ from the sent ones"),
        ],
        "prove" => &[
            (RunFailed, "a run failed, or the results cannot be written"),
            (MemoryOver, "memory grows with the body, or is over its budget"),
            (IntegrityFailed, "received bytes differ from the sent ones"),
            (Inconclusive, "whether memory grows is unclear"),
        ],
        "conform" => &[
            (RunFailed, "a transfer stalled, or the program died"),
            (MemoryOver, "memory grows"),
            (IntegrityFailed, "a body was corrupted"),
            (Inconclusive, "no case applies"),
        ],
        "reproduce" => &[
            (RunFailed, "a run failed"),
            (Slower, "a claim about speed does not hold here"),
            (MemoryOver, "a claim about memory does not hold here"),
            (IntegrityFailed, "received bytes differ from the sent ones"),
            (Inconclusive, "whether a claim holds is unclear"),
        ],
        "check" => &[
            (RunFailed, "the records have a failed run"),
            (MemoryOver, "memory over a ceiling or its budget, or growing"),
            (IntegrityFailed, "the records have received bytes that differ from the sent ones"),
            (Inconclusive, "whether memory grows is unclear, or nothing was checked"),
        ],
        "plan" => &[
            (RunFailed, "a run failed (with --verify)"),
            (Inconclusive, "a measured median is over 10 % from the plan (with --verify)"),
        ],
        "compare" => &[
            (RunFailed, "a new kind of failure, or a case of which every run fails (with --fail-on worse)"),
            (Slower, "slower, or more processor time (with --fail-on worse)"),
            (MemoryOver, "more memory (with --fail-on worse)"),
            (IntegrityFailed, "bytes that differ (with --fail-on worse)"),
            (Inconclusive, "a slowdown could have been missed (with --fail-on worse)"),
        ],
        "doctor" => &[(RunFailed, "a run failed"), (Interrupted, "interrupted; the noise is not printed")],
        "serve" => &[(RunFailed, "a port is in use, or the folder cannot be written")],
        "send" | "fetch" => &[
            (RunFailed, "the transfer failed, or the status is not an expected one"),
            (IntegrityFailed, "received bytes differ from the sent ones"),
        ],
        "longhaul" => &[
            (RunFailed, "a run failed"),
            (Slower, "slower"),
            (MemoryOver, "memory over a ceiling or its budget, or growing"),
            (IntegrityFailed, "received bytes differ from the sent ones"),
            (Inconclusive, "the figures allow no conclusion"),
        ],
        _ => &[(RunFailed, "a file cannot be written")],
    }
}

/// Returns whether Ctrl-C ends a command with a separate exit code. Finished runs are then on disk.
fn is_interruptible(command: &str) -> bool {
    ["bench", "prove", "conform", "reproduce", "send", "fetch", "longhaul"].contains(&command)
}

fn exit_status(command: &str) -> Vec<(String, &'static str)> {
    let mut codes = vec![(Verdict::Good.exit_code(), "success"), (USAGE, "wrong usage, or unreadable input")];
    codes.extend(verdicts(command).iter().map(|(verdict, meaning)| (verdict.exit_code(), *meaning)));
    if is_interruptible(command) {
        codes.push((Verdict::Interrupted.exit_code(), "interrupted; what was finished is kept"));
    }
    codes.sort_unstable();
    codes.into_iter().map(|(code, meaning)| (code.to_string(), meaning)).collect()
}

fn environment(command: &str) -> &'static [(&'static str, &'static str)] {
    const LOG: (&str, &str) = ("LONGHAUL_LOG", "level of the log on stderr: error, warn, info or debug");
    const KEYS: (&str, &str) = ("SSLKEYLOGFILE", "file to append the secrets of connections to");
    const NO_COLOR: (&str, &str) = ("NO_COLOR", "no colours, if it has any value");
    const FOLDER: (&str, &str) = ("TMPDIR", "folder for temporary files");
    const ROOTS: (&str, &str) = ("SSL_CERT_FILE", "file of roots that are trusted in place of the system's");
    const ROOT_FOLDER: (&str, &str) = ("SSL_CERT_DIR", "folders of such roots, with colons between them");
    match command {
        "bench" | "prove" => &[LOG, KEYS, NO_COLOR, ROOTS, ROOT_FOLDER, FOLDER],
        "reproduce" => &[LOG, KEYS, NO_COLOR, FOLDER],
        "conform" => &[KEYS, NO_COLOR, ROOTS, ROOT_FOLDER, FOLDER],
        "serve" => &[LOG, KEYS, NO_COLOR, ("TMPDIR", "folder for the file of the self-signed certificate")],
        "send" => {
            const STATES: (&str, &str) = ("XDG_STATE_HOME", "folder for the states of resumable uploads");
            &[LOG, KEYS, NO_COLOR, ROOTS, ROOT_FOLDER, STATES]
        }
        "fetch" => &[LOG, KEYS, NO_COLOR, ROOTS, ROOT_FOLDER],
        _ => &[NO_COLOR],
    }
}

fn files(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "bench" | "prove" | "reproduce" => &[
            ("results/UTCTIME-HOST/records.jsonl", "every run, one line of JSON each (longhaul schema)"),
            ("results/UTCTIME-HOST/report.html", "the page with tables and charts"),
            ("results/UTCTIME-HOST/summary.md", "the table, for a pull request"),
        ],
        "serve" => &[
            ("TMPDIR/longhaul-certificate-*.pem", "the self-signed certificate, as long as the server runs"),
            ("DIR/.longhaul-partial/", "incomplete uploads, in the folder of --sink save:DIR"),
        ],
        "send" => &[("~/.local/state/longhaul/uploads/", "the states of resumable uploads (-C -)")],
        "fetch" => &[("FILE.part", "an interrupted download (-o FILE), for -C -")],
        _ => &[],
    }
}

/// Returns the sections of a command.
pub(crate) fn sections(command: &str) -> Vec<Section> {
    let owned = |entries: &[(&'static str, &'static str)]| {
        entries.iter().map(|(name, meaning)| ((*name).to_owned(), *meaning)).collect()
    };
    let sections = [
        Section { title: "Examples", entries: owned(examples(command)) },
        Section { title: "Exit status", entries: exit_status(command) },
        Section { title: "Environment", entries: owned(environment(command)) },
        Section { title: "Files", entries: owned(files(command)) },
    ];
    sections.into_iter().filter(|section| !section.entries.is_empty()).collect()
}

/// Appends the sections of a command to its long help.
pub(super) fn append(command: Command) -> Command {
    let text: Vec<String> = sections(command.get_name()).iter().map(text).collect();
    command.after_long_help(text.join("\n"))
}

/// Returns the text of a section. Examples stand under their meanings, as in a shell.
fn text(section: &Section) -> String {
    let Section { title, entries } = section;
    let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, meaning): &(String, &str)| match *title {
        "Examples" => format!("  # {meaning}\n  {name}\n"),
        _ => format!("  {name:<width$}  {meaning}\n"),
    };
    format!("{title}:\n{}", entries.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use run::path_plan::plan;

    use super::*;
    use crate::flags::{self, definition};

    /// Returns the words of a command line up to a pipe or a redirection.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut is_quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                _ => words.last_mut().unwrap().push(c),
            }
        }
        words.into_iter().take_while(|word| word != ">" && word != "|").collect()
    }

    #[test]
    fn every_example_can_be_read() {
        let definition = definition();
        let names = definition.get_subcommands().map(Command::get_name).chain(["longhaul"]);
        for (line, _) in names.flat_map(examples) {
            let parsed = definition.clone().try_get_matches_from(words(line));
            // Help is an outcome as well.
            assert!(
                parsed.as_ref().is_ok() || !parsed.as_ref().unwrap_err().use_stderr(),
                "{line}: {parsed:?}"
            );
        }
    }

    #[test]
    fn the_examples_of_a_plan_fit_into_their_memory() {
        for (line, _) in PLAN {
            let words: Vec<OsString> = words(line).iter().map(OsString::from).collect();
            let Ok(flags::Command::Plan(args)) = flags::parse_from(&words) else { panic!("{line}") };
            let demand = args.demand().unwrap();
            for protocol in args.protocols().unwrap() {
                assert!(plan(protocol, &demand).best.is_some(), "{line}: {}", protocol.name);
            }
        }
    }

    #[test]
    fn exit_codes_are_listed_once_and_in_order() {
        for command in definition().get_subcommands() {
            let codes: Vec<u8> =
                exit_status(command.get_name()).iter().map(|(code, _)| code.parse().unwrap()).collect();
            assert!(codes.is_sorted_by(|a, b| a < b), "{}: {codes:?}", command.get_name());
        }
    }
}
