//! The programs for which the answer of a proof is known.

mod clients;
mod proxies;
mod servers;

use std::fmt;

/// The verdict that a proof must print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Constant,
    Growing,
    /// A proxy that takes in whole bodies and holds them on disk.
    Spooled,
    /// Any other verdict, or a failure. No program is expected to have it.
    Other,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "CONSTANT",
            Self::Growing => "GROWING",
            Self::Spooled => "SPOOLED",
            Self::Other => "other",
        })
    }
}

/// The answer of a proof.
pub(super) struct Answer {
    pub(super) word: Expected,
    /// The first line that contains the verdict.
    pub(super) line: String,
}

impl Answer {
    /// Reads the report of a proof, and its exit code.
    pub(super) fn of(report: &str, code: Option<i32>) -> Self {
        let line = |word: &str| report.lines().find(|line| line.contains(word)).map(str::trim);
        let (word, line) = match (code, line("SPOOLED:"), line("GROWING"), line("CONSTANT:")) {
            (Some(0), Some(line), ..) => (Expected::Spooled, line),
            (Some(0), None, None, Some(line)) => (Expected::Constant, line),
            (Some(4), _, Some(line), _) => (Expected::Growing, line),
            _ => (Expected::Other, report.lines().last().unwrap_or_default().trim()),
        };
        Self { word, line: line.split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

/// The role of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
    /// A server without downloads.
    UploadServer,
    Proxy,
    /// A program that processes an input of a given size, without transfers.
    Series,
}

/// A program, with the parameters of its proof. In its command lines and its configuration, `{peers}` stands for the
/// folder of scripts, `{crates}` for that of crates, `{examples}` for that of examples, and `{target}` for cargo's
/// folder of builds. `{folder}` stands for a temporary folder with the configuration in `config`, `{listen}` and
/// `{upstream}` for free ports.
pub(super) struct Program {
    pub(super) name: &'static str,
    role: Role,
    /// The protocols that a server or a proxy speaks in cleartext.
    protocols: &'static str,
    /// The modules that Python needs.
    pub(super) modules: &'static [&'static str],
    /// The command line that builds the program.
    pub(super) built_by: Option<&'static [&'static str]>,
    pub(super) config: Option<&'static str>,
    /// The sizes of bodies of a proof; `None` for the usual ones.
    sizes: Option<&'static str>,
    /// The slope of memory that counts as growth, per GiB of body.
    slope_limit: &'static str,
    /// The cases of conformance.
    cases: &'static str,
    /// The command line. Its first word is the name of a file, or `python` for the Python of `scripts/peers`.
    pub(super) command: &'static [&'static str],
    pub(super) expected: Expected,
}

/// The slope that a runtime with a just-in-time compiler may have. In the seconds after its start, compiled code adds
/// up to 2 MiB per GiB of body to a JVM, even with `jvm.options`, and 0.2 MiB to Node.js. A program that holds whole
/// bodies adds 1,024 MiB per GiB.
const COMPILER_SLOPE: &str = "16MiB";

/// The cases about backpressure.
pub(super) const CASES: &str = "fast-sender,slow-reader,stalled-reader,gone-reader,one-stream-stalled";

const fn program(
    name: &'static str,
    role: Role,
    command: &'static [&'static str],
    expected: Expected,
) -> Program {
    let (modules, built_by, config) = (&[], None, None);
    let (protocols, sizes, slope_limit, cases) = ("h1c", None, "1MiB", CASES);
    Program { name, role, protocols, modules, built_by, config, sizes, slope_limit, cases, command, expected }
}

impl Program {
    const fn speaking(self, protocols: &'static str) -> Self {
        Self { protocols, ..self }
    }

    const fn with_modules(self, modules: &'static [&'static str]) -> Self {
        Self { modules, ..self }
    }

    const fn built_by(self, command: &'static [&'static str]) -> Self {
        Self { built_by: Some(command), ..self }
    }

    const fn with_config(self, config: &'static str) -> Self {
        Self { config: Some(config), ..self }
    }

    const fn with_sizes(self, sizes: &'static str) -> Self {
        Self { sizes: Some(sizes), ..self }
    }

    const fn with_slope_limit(self, slope_limit: &'static str) -> Self {
        Self { slope_limit, ..self }
    }

    const fn in_cases(self, cases: &'static str) -> Self {
        Self { cases, ..self }
    }

    /// Returns the protocols over which the program is tested.
    pub(super) fn protocols(&self) -> &'static str {
        if self.role == Role::Series { "-" } else { self.protocols }
    }

    /// Returns the arguments of `prove` before the command line.
    pub(super) fn proof(&self) -> Vec<&'static str> {
        let length: &[_] = if self.role == Role::Server { &["--content-length"] } else { &[] };
        // Small bodies suffice to show that a program holds whole bodies. To show that memory is constant takes the
        // large bodies that are the default.
        let is_small = self.expected == Expected::Growing && self.role != Role::Series;
        let sizes = self.sizes.or(is_small.then_some("64MiB,128MiB,256MiB"));
        let sizes = sizes.map_or_else(Vec::new, |sizes| vec!["--size", sizes]);
        [&self.subject(&["--server"])[..], length, &sizes, &["--slope-limit", self.slope_limit]].concat()
    }

    /// Returns the arguments of `conform` before the command line; `None` for a program without transfers.
    pub(super) fn conformance(&self) -> Option<Vec<&'static str>> {
        (self.role != Role::Series).then(|| [&self.subject(&[])[..], &["--case", self.cases]].concat())
    }

    /// Returns the flags that name the program and its protocols. The URL of a server follows `server`.
    fn subject(&self, server: &[&'static str]) -> Vec<&'static str> {
        let url = ["http://127.0.0.1:{port}/"];
        let download = ["--download", "http://127.0.0.1:{port}/{size}"];
        let listener = match self.role {
            Role::Client => return vec!["--client"],
            Role::Series => return vec!["--series", "256MiB,512MiB,1GiB"],
            Role::Server => [server, &url, &download].concat(),
            Role::UploadServer => [server, &url].concat(),
            Role::Proxy => vec!["--proxy", "http://127.0.0.1:{listen}", "--upstream", "{upstream}"],
        };
        [&listener[..], &["--protocol", self.protocols]].concat()
    }
}

/// Programs that leak a known number of bytes.
const LEAKS: &[Program] = &[
    program(
        "a leak of twice the limit",
        Role::Series,
        &["python", "{peers}/leak.py", "{n}", "2048"],
        Expected::Growing,
    ),
    program(
        "a leak of a tenth of the limit",
        Role::Series,
        &["python", "{peers}/leak.py", "{n}", "102"],
        Expected::Constant,
    ),
];

/// Returns all programs: clients, servers, proxies, and programs that leak a known number of bytes.
pub(super) fn all() -> impl Iterator<Item = &'static Program> {
    [clients::CLIENTS, servers::SERVERS, proxies::PROXIES, LEAKS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_only_with_its_exit_code() {
        let word = |report, code| Answer::of(report, Some(code)).word;
        assert_eq!(word(" h1c/up client 1 CONSTANT: at most 1 KiB", 0), Expected::Constant);
        assert_eq!(word(" h1c/up client 1 CONSTANT: at most 1 KiB", 6), Expected::Other);
        assert_eq!(word("x CONSTANT: y\nx GROWING: 1024 MiB per GiB", 4), Expected::Growing);
        assert_eq!(word("x CONSTANT: y\nabsorbed x: SPOOLED: up to 1 GiB", 0), Expected::Spooled);
        assert_eq!(word("FAILED x", 1), Expected::Other);
    }

    #[test]
    fn a_server_is_named_by_a_flag_for_a_proof_and_by_its_url_alone_for_conformance() {
        let server = program("x", Role::Server, &["x"], Expected::Growing);
        assert_eq!(server.proof()[..2], ["--server", "http://127.0.0.1:{port}/"]);
        assert!(server.proof().contains(&"--content-length") && server.proof().contains(&"--size"));
        assert_eq!(server.conformance().unwrap()[0], "http://127.0.0.1:{port}/");
        assert!(LEAKS.iter().all(|leak| leak.conformance().is_none() && !leak.proof().contains(&"--size")));
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut names: Vec<&str> = all().map(|program| program.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
