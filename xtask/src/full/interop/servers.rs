//! Servers of other projects, which `send` and `fetch` use, and proxies between these commands and `serve`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use record::Protocol;

use super::{
    Fixture, Row, Trip, filled, find,
    fixture::{Ended, free_port, started},
    peer_file, python, read,
};

/// One program as a server or a proxy: an entry of [`SERVERS`]. Arguments and configurations may contain `{config}`,
/// `{folder}`, `{plain}`, `{prior}` and `{tls}` (ports), `{cert}`, `{key}`, `{both}` (certificate and key in one file),
/// `{upstream}`, `{modules}` and `{peers}`.
struct Server {
    program: &'static str,
    role: &'static str,
    arguments: &'static [&'static str],
    /// The name of the configuration file in `xtask/peers`.
    config: &'static str,
    /// The protocols, each with the port that accepts it.
    protocols: &'static [(&'static str, &'static str)],
    takes_uploads: bool,
}

const ALL: &[(&str, &str)] = &[("h1c", "plain"), ("h2c", "prior"), ("h1", "tls"), ("h2", "tls")];
const SECURED: &[(&str, &str)] = &[("h1c", "plain"), ("h1", "tls"), ("h2", "tls")];
const CADDY: &[(&str, &str)] =
    &[("h1c", "plain"), ("h2c", "plain"), ("h1", "tls"), ("h2", "tls"), ("h3", "tls")];

const SERVERS: &[Server] = &[
    server("apache2", "server", &["-X", "-f", "{config}"], "apache-server.conf", ALL, true),
    server("apache2", "proxy", &["-X", "-f", "{config}"], "apache-proxy.conf", ALL, true),
    server("nginx", "server", &["-c", "{config}", "-p", "{folder}"], "nginx-server.conf", ALL, true),
    server("nginx", "proxy", &["-c", "{config}", "-p", "{folder}"], "nginx-proxy.conf", ALL, true),
    server("haproxy", "proxy", &["-db", "-f", "{config}"], "haproxy.cfg", ALL, true),
    server(
        "caddy",
        "server",
        &["run", "--adapter", "caddyfile", "--config", "{config}"],
        "caddy-server.conf",
        CADDY,
        false,
    ),
    server(
        "caddy",
        "proxy",
        &["run", "--adapter", "caddyfile", "--config", "{config}"],
        "caddy-proxy.conf",
        CADDY,
        true,
    ),
    server(
        "go",
        "server",
        &["run", "{peers}/server.go", "{folder}", "{plain}", "{tls}", "{cert}", "{key}"],
        "",
        SECURED,
        true,
    ),
    server(
        "python",
        "server",
        &["{peers}/aiohttp_server.py", "{folder}", "{plain}", "{tls}", "{cert}", "{key}"],
        "",
        &[("h1c", "plain"), ("h1", "tls")],
        true,
    ),
];

const fn server(
    program: &'static str,
    role: &'static str,
    arguments: &'static [&'static str],
    config: &'static str,
    protocols: &'static [(&'static str, &'static str)],
    takes_uploads: bool,
) -> Server {
    Server { program, role, arguments, config, protocols, takes_uploads }
}

/// Runs all servers and proxies in both directions.
pub(super) fn all(fixture: &Fixture, add: &mut dyn FnMut(Row)) -> Result<()> {
    for server in SERVERS {
        let program = if server.program == "python" { Some(python()?) } else { find(server.program) };
        let running = match program {
            None => Err(Trip::Missing(server.program.into())),
            Some(program) => {
                Running::start(server, &program, fixture).map_err(|e| Trip::Failed(format!("{e:#}")))
            }
        };
        for (protocol, port) in server.protocols {
            add(server.row(fixture, &running, protocol, port)?);
        }
    }
    Ok(())
}

impl Server {
    fn row(&self, fixture: &Fixture, running: &Result<Running, Trip>, name: &str, port: &str) -> Result<Row> {
        let protocol = Protocol::by_name(name).context("no such protocol")?;
        let (up, down) = match running {
            Ok(running) => {
                (running.up(self, fixture, protocol, port), running.down(self, fixture, protocol, port))
            }
            Err(Trip::Missing(program)) => (Trip::Missing(program.clone()), Trip::Missing(program.clone())),
            Err(Trip::Failed(reason)) => (Trip::Failed(reason.clone()), Trip::None),
            Err(Trip::Same | Trip::None) => (Trip::None, Trip::None),
        };
        let program = match self.program {
            "python" => "python aiohttp_server.py",
            "go" => "go server.go",
            other => other,
        };
        Ok(Row { name: program.into(), role: self.role, protocol: name.into(), up, down })
    }
}

/// A running server with its own folder.
struct Running {
    folder: tempfile::TempDir,
    values: Vec<(&'static str, String)>,
    _process: Ended,
}

impl Running {
    fn start(server: &Server, program: &Path, fixture: &Fixture) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        fs::create_dir(folder.path().join("files")).context("no folder for files")?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let port = || free_port().map(|port| port.to_string());
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        self_signed(&cert, &key)?;
        let both = folder.path().join("both.pem");
        fs::write(&both, read(&cert)? + &read(&key)?).context("cannot write the certificate")?;
        let values = vec![
            ("folder", text(folder.path().to_owned())),
            ("plain", port()?),
            ("prior", port()?),
            ("tls", port()?),
            ("cert", text(cert)),
            ("key", text(key)),
            ("both", text(both)),
            ("upstream", fixture.server.cleartext().to_owned()),
            ("modules", "/usr/lib/apache2/modules".to_owned()),
            ("peers", text(peer_file(""))),
            ("config", text(folder.path().join("config"))),
        ];
        if !server.config.is_empty() {
            let config = filled_with(&read(&peer_file(server.config))?, &values);
            fs::write(folder.path().join("config"), config).context("cannot write the configuration")?;
        }
        let mut command = Command::new(program);
        command.args(server.arguments.iter().map(|argument| filled_with(argument, &values)));
        command.env("HOME", folder.path()).current_dir(folder.path());
        let tls = value(&values, "tls").parse().context("no port")?;
        let process = started(&mut command, tls)?;
        Ok(Self { folder, values, _process: process })
    }

    fn url(&self, protocol: &Protocol, port: &str) -> String {
        format!("{}://localhost:{}/up.bin", protocol.scheme(), value(&self.values, port))
    }

    fn client(&self, fixture: &Fixture, command: &str, protocol: &Protocol, port: &str) -> Command {
        let mut client = Command::new(&fixture.program);
        client.args([command, &self.url(protocol, port), "--protocol", protocol.name, "--quiet"]);
        if protocol.is_encrypted() {
            client.args(["--cacert", value(&self.values, "cert")]);
        }
        client
    }

    /// Returns the file of an upload, which the server or the `serve` behind a proxy has saved.
    fn stored(&self, server: &Server, fixture: &Fixture) -> PathBuf {
        if server.role == "proxy" { fixture.saved() } else { self.folder.path().join("files/up.bin") }
    }

    fn up(&self, server: &Server, fixture: &Fixture, protocol: &Protocol, port: &str) -> Trip {
        if !server.takes_uploads {
            return Trip::None;
        }
        let mut client = self.client(fixture, "send", protocol, port);
        client.arg("--payload").arg(format!("file:{}", fixture.blob().display()));
        fixture.trip(&mut client, &self.stored(server, fixture))
    }

    fn down(&self, server: &Server, fixture: &Fixture, protocol: &Protocol, port: &str) -> Trip {
        if let Err(error) = fs::copy(fixture.blob(), self.stored(server, fixture)) {
            return Trip::Failed(error.to_string());
        }
        let mut client = self.client(fixture, "fetch", protocol, port);
        client.arg("-o").arg(fixture.back());
        fixture.trip(&mut client, &fixture.back())
    }
}

fn value<'v>(values: &'v [(&'static str, String)], name: &str) -> &'v str {
    values.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value.as_str())
}

fn filled_with(text: &str, values: &[(&'static str, String)]) -> String {
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    filled(text, &values)
}

/// Writes a self-signed certificate for localhost, and its key.
fn self_signed(cert: &Path, key: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).context("no certificate")?;
    fs::write(cert, made.cert.pem()).context("cannot write the certificate")?;
    fs::write(key, made.signing_key.serialize_pem()).context("cannot write the key")
}
