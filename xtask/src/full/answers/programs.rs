//! The programs whose answer is known.

use std::fmt;

/// The word that a proof must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Constant,
    Growing,
    /// A proxy that takes in whole bodies and holds them on disk.
    Spooled,
    /// Any other word, or a failure: never expected.
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
    /// The first line that has the word.
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

/// A program, and how it is proven. `{program}` stands for its file, `{peers}` for the folder of scripts, `{folder}` for a
/// temporary folder with the configuration in `config`, `{listen}` and `{upstream}` for free ports.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// The name of the program's file, or `python` for the Python of `scripts/peers`.
    pub(super) program: &'static str,
    /// The modules that Python needs.
    pub(super) modules: &'static [&'static str],
    pub(super) arguments: &'static [&'static str],
    pub(super) config: Option<&'static str>,
    pub(super) expected: Expected,
}

const CLIENT: &str = "--client";
const SERVER: [&str; 4] =
    ["--server", "http://127.0.0.1:{port}/", "--download", "http://127.0.0.1:{port}/{size}"];

macro_rules! client {
    ($name:literal, $program:literal, [$($module:literal),*], $expected:ident, $($word:literal),+) => {
        Program {
            name: $name,
            program: $program,
            modules: &[$($module),*],
            arguments: &[CLIENT, "--", "{program}", $($word),+],
            config: None,
            expected: Expected::$expected,
        }
    };
}

macro_rules! server {
    ($name:literal, $program:literal, [$($module:literal),*], $expected:ident, $($word:literal),+) => {
        Program {
            name: $name,
            program: $program,
            modules: &[$($module),*],
            arguments: &[SERVER[0], SERVER[1], SERVER[2], SERVER[3], "--content-length", "--", "{program}", $($word),+],
            config: None,
            expected: Expected::$expected,
        }
    };
}

macro_rules! nginx {
    ($name:literal, $buffering:literal, $expected:ident) => {
        Program {
            name: $name,
            program: "nginx",
            modules: &[],
            arguments: &[
                "--proxy",
                "http://127.0.0.1:{listen}",
                "--upstream",
                "{upstream}",
                "--",
                "{program}",
                "-g",
                "daemon off;",
                "-c",
                "{folder}/config",
                "-p",
                "{folder}",
            ],
            config: Some(concat!(
                "user root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {}\nhttp {\n access_log off;\n",
                " client_max_body_size 0;\n proxy_request_buffering ",
                $buffering,
                ";\n proxy_buffering ",
                $buffering,
                ";\n proxy_max_temp_file_size 8g;\n client_body_temp_path {folder}/client_body;\n proxy_temp_path {folder}/proxy;\n",
                " fastcgi_temp_path {folder}/fastcgi;\n uwsgi_temp_path {folder}/uwsgi;\n scgi_temp_path {folder}/scgi;\n",
                " server { listen 127.0.0.1:{listen}; location / { proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; } }\n}\n"
            )),
            expected: Expected::$expected,
        }
    };
}

/// All programs: clients, servers, proxies, and programs that leak a known number of bytes.
pub(super) const PROGRAMS: &[Program] = &[
    client!("curl -T", "curl", [], Constant, "-sSf", "-T", "{file}", "{url}"),
    client!("curl -T - behind a pipe", "sh", [], Constant, "-c", "curl -sSf -T - {url} <{file}"),
    client!(
        "curl --data-binary",
        "curl",
        [],
        Growing,
        "-sSf",
        "-X",
        "PUT",
        "--data-binary",
        "@{file}",
        "{url}"
    ),
    client!("urllib, whole file", "python", [], Growing, "{peers}/upload_whole.py", "{url}", "{file}"),
    client!("http.client, chunks", "python", [], Constant, "{peers}/upload_chunked.py", "{url}", "{file}"),
    client!(
        "requests, chunks",
        "python",
        ["requests"],
        Constant,
        "{peers}/upload_with.py",
        "requests",
        "chunks",
        "{url}",
        "{file}"
    ),
    client!(
        "requests, whole",
        "python",
        ["requests"],
        Growing,
        "{peers}/upload_with.py",
        "requests",
        "whole",
        "{url}",
        "{file}"
    ),
    client!(
        "httpx, chunks",
        "python",
        ["httpx"],
        Constant,
        "{peers}/upload_with.py",
        "httpx",
        "chunks",
        "{url}",
        "{file}"
    ),
    client!(
        "httpx, whole",
        "python",
        ["httpx"],
        Growing,
        "{peers}/upload_with.py",
        "httpx",
        "whole",
        "{url}",
        "{file}"
    ),
    client!(
        "aiohttp, chunks",
        "python",
        ["aiohttp"],
        Constant,
        "{peers}/upload_with.py",
        "aiohttp",
        "chunks",
        "{url}",
        "{file}"
    ),
    client!(
        "aiohttp, whole",
        "python",
        ["aiohttp"],
        Growing,
        "{peers}/upload_with.py",
        "aiohttp",
        "whole",
        "{url}",
        "{file}"
    ),
    client!(
        "Node.js fetch, stream",
        "node",
        [],
        Constant,
        "{peers}/upload_with.mjs",
        "chunks",
        "{url}",
        "{file}"
    ),
    client!(
        "Node.js fetch, buffer",
        "node",
        [],
        Growing,
        "{peers}/upload_with.mjs",
        "whole",
        "{url}",
        "{file}"
    ),
    server!("http.server, chunks", "python", [], Constant, "{peers}/upload_server.py", "{port}", "chunks"),
    server!("http.server, whole", "python", [], Growing, "{peers}/upload_server.py", "{port}", "whole"),
    server!(
        "aiohttp server, chunks",
        "python",
        ["aiohttp"],
        Constant,
        "{peers}/aiohttp_server.py",
        "{port}",
        "chunks"
    ),
    server!(
        "aiohttp server, whole",
        "python",
        ["aiohttp"],
        Growing,
        "{peers}/aiohttp_server.py",
        "{port}",
        "whole"
    ),
    server!("Node.js server, stream", "node", [], Constant, "{peers}/server.mjs", "{port}", "chunks"),
    server!("Node.js server, whole", "node", [], Growing, "{peers}/server.mjs", "{port}", "whole"),
    nginx!("nginx, buffering off", "off", Constant),
    nginx!("nginx, buffering on", "on", Spooled),
    Program {
        name: "haproxy",
        program: "haproxy",
        modules: &[],
        arguments: &[
            "--proxy",
            "http://127.0.0.1:{listen}",
            "--upstream",
            "{upstream}",
            "--",
            "{program}",
            "-db",
            "-f",
            "{folder}/config",
        ],
        config: Some(concat!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n",
            "frontend front\n bind 127.0.0.1:{listen}\n default_backend back\n",
            "backend back\n server origin 127.0.0.1:{upstream}\n"
        )),
        expected: Expected::Constant,
    },
    Program {
        name: "Caddy",
        program: "caddy",
        modules: &[],
        arguments: &[
            "--proxy",
            "http://127.0.0.1:{listen}",
            "--upstream",
            "{upstream}",
            "--",
            "{program}",
            "reverse-proxy",
            "--from",
            "http://127.0.0.1:{listen}",
            "--to",
            "127.0.0.1:{upstream}",
        ],
        config: None,
        expected: Expected::Constant,
    },
    Program {
        name: "a leak of twice the limit",
        program: "python",
        modules: &[],
        arguments: &["--series", "256MiB,512MiB,1GiB", "--", "{program}", "{peers}/leak.py", "{n}", "2048"],
        config: None,
        expected: Expected::Growing,
    },
    Program {
        name: "a leak of a tenth of the limit",
        program: "python",
        modules: &[],
        arguments: &["--series", "256MiB,512MiB,1GiB", "--", "{program}", "{peers}/leak.py", "{n}", "102"],
        config: None,
        expected: Expected::Constant,
    },
];

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
}
