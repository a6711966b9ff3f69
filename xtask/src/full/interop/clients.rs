//! Clients of other projects, which use `serve`.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{Direction, Fixture, Row, Trip, filled, find, peer_file, python};

/// One client with one protocol: an entry of [`CLIENTS`]. Arguments may contain `{url}`, `{base}`, `{blob}`, `{back}`,
/// `{folder}`, `{ca}` and `{peers}`, the folder of scripts.
struct Client {
    program: &'static str,
    protocol: &'static str,
    up: &'static [&'static str],
    down: &'static [&'static str],
    /// True if the client keeps what it downloads; otherwise it checks the length itself.
    keeps: bool,
}

const fn client(
    program: &'static str,
    protocol: &'static str,
    up: &'static [&'static str],
    down: &'static [&'static str],
) -> Client {
    Client { program, protocol, up, down, keeps: true }
}

/// The arguments of curl that follow the flag for an HTTP version.
macro_rules! curl {
    ($protocol:literal, $version:literal) => {
        client(
            "curl",
            $protocol,
            &["-sS", "--fail", $version, "--cacert", "{ca}", "-H", "Expect:", "-T", "{blob}", "{url}"],
            &["-sS", "--fail", $version, "--cacert", "{ca}", "-o", "{back}", "{url}"],
        )
    };
}

/// The arguments of a script in `xtask/peers` or `tests/peers`.
macro_rules! script {
    ($program:literal, $protocol:literal, $($argument:literal),*) => {
        client(
            $program,
            $protocol,
            &[$($argument,)* "up", "{url}", "{blob}", "{ca}"],
            &[$($argument,)* "down", "{url}", "{back}", "{ca}"],
        )
    };
}

const CLIENTS: &[Client] = &[
    curl!("h1c", "--http1.1"),
    curl!("h1", "--http1.1"),
    curl!("h2c", "--http2-prior-knowledge"),
    curl!("h2", "--http2"),
    client(
        "wget",
        "h1c",
        &["-q", "--method=PUT", "--body-file={blob}", "-O", "/dev/null", "{url}"],
        &["-q", "-O", "{back}", "{url}"],
    ),
    client(
        "wget",
        "h1",
        &["-q", "--ca-certificate={ca}", "--method=PUT", "--body-file={blob}", "-O", "/dev/null", "{url}"],
        &["-q", "--ca-certificate={ca}", "-O", "{back}", "{url}"],
    ),
    client(
        "aria2c",
        "h1c",
        &[],
        &["-q", "-x", "8", "-s", "8", "-k", "8M", "-d", "{folder}", "-o", "back.bin", "{url}"],
    ),
    client(
        "aria2c",
        "h1",
        &[],
        &[
            "-q",
            "--ca-certificate={ca}",
            "-x",
            "8",
            "-s",
            "8",
            "-k",
            "8M",
            "-d",
            "{folder}",
            "-o",
            "back.bin",
            "{url}",
        ],
    ),
    client("rclone", "h1c", &[], &["copyurl", "{url}", "{back}"]),
    client("rclone", "h2", &[], &["copyurl", "--ca-cert", "{ca}", "{url}", "{back}"]),
    Client {
        keeps: false,
        ..client(
            "ab",
            "h1c",
            &["-k", "-n", "1", "-s", "120", "-u", "{blob}", "{url}"],
            &["-k", "-n", "2", "-s", "120", "{url}"],
        )
    },
    Client {
        keeps: false,
        ..client(
            "h2load",
            "h2c",
            &["-n", "1", "-d", "{blob}", "{base}/?file=up.bin"],
            &["-n", "4", "-m", "4", "{url}"],
        )
    },
    Client {
        keeps: false,
        ..client(
            "h2load",
            "h2",
            &["-n", "1", "-d", "{blob}", "{base}/?file=up.bin"],
            &["-n", "4", "-m", "4", "{url}"],
        )
    },
    Client {
        keeps: false,
        ..client("nghttp", "h2c", &["-d", "{blob}", "{base}/?file=up.bin"], &["-n", "{url}"])
    },
    Client {
        keeps: false,
        ..client("nghttp", "h2", &["-d", "{blob}", "{base}/?file=up.bin"], &["-n", "{url}"])
    },
    script!("go", "h1c", "run", "{peers}/client.go", "1"),
    script!("go", "h1", "run", "{peers}/client.go", "1"),
    script!("go", "h2", "run", "{peers}/client.go", "2"),
    script!("python", "h1c", "{peers}/aiohttp_client.py"),
    script!("python", "h1", "{peers}/aiohttp_client.py"),
    script!("python", "h1", "{peers}/../../tests/peers/httpx_client.py", "1"),
    script!("python", "h2", "{peers}/../../tests/peers/httpx_client.py", "2"),
    script!("node", "h1c", "{peers}/../../tests/peers/node.mjs", "fetch"),
    script!("node", "h1", "{peers}/../../tests/peers/node.mjs", "fetch"),
    script!("node", "h2c", "{peers}/../../tests/peers/node.mjs", "http2"),
    script!("node", "h2", "{peers}/../../tests/peers/node.mjs", "http2"),
];

/// Runs all clients in both directions.
pub(super) fn all(fixture: &Fixture, add: &mut dyn FnMut(Row)) -> Result<()> {
    for client in CLIENTS {
        add(Row {
            name: client.name(),
            role: "client",
            protocol: client.protocol.into(),
            up: client.go(fixture, Direction::Up)?,
            down: client.go(fixture, Direction::Down)?,
        });
    }
    Ok(())
}

impl Client {
    /// Returns the name of the program, with the script that it runs.
    fn name(&self) -> String {
        let script = self.up.iter().find_map(|argument| Path::new(argument).file_name()?.to_str());
        match script.filter(|_| ["go", "python", "node"].contains(&self.program)) {
            Some(script) if script != "run" => format!("{} {script}", self.program),
            Some(_) => "go client.go".into(),
            None => self.program.into(),
        }
    }

    fn go(&self, fixture: &Fixture, direction: Direction) -> Result<Trip> {
        let arguments = if direction == Direction::Up { self.up } else { self.down };
        if arguments.is_empty() {
            return Ok(Trip::None);
        }
        let program = if self.program == "python" { Some(python()?) } else { find(self.program) };
        let Some(program) = program else { return Ok(Trip::Missing(self.program.into())) };
        let mut command = Command::new(program);
        let values = Values::of(fixture, self.protocol)?;
        command.args(arguments.iter().map(|argument| values.fill(argument)));
        command.env("NODE_EXTRA_CA_CERTS", fixture.server.certificate()).env("GOFLAGS", "-mod=mod");
        command.current_dir(fixture.folder.path());
        Ok(match direction {
            Direction::Up => fixture.trip(&mut command, &fixture.saved()),
            Direction::Down if self.keeps => fixture.trip(&mut command, &fixture.back()),
            Direction::Down => fixture.dropped(&mut command),
        })
    }
}

/// The values of the placeholders in arguments.
struct Values(Vec<(&'static str, String)>);

impl Values {
    fn of(fixture: &Fixture, protocol: &str) -> Result<Self> {
        let protocol = record::Protocol::by_name(protocol);
        let base = protocol.map(|protocol| fixture.server.url(protocol, "")).unwrap_or_default();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Self(vec![
            ("url", format!("{base}/up.bin")),
            ("base", base),
            ("blob", text(&fixture.blob())),
            ("back", text(&fixture.back())),
            ("folder", text(fixture.folder.path())),
            ("ca", text(fixture.server.certificate())),
            ("peers", text(&peer_file(""))),
        ]))
    }

    fn fill(&self, argument: &str) -> String {
        let values: Vec<(&str, &str)> = self.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        filled(argument, &values)
    }
}
