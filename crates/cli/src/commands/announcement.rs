//! The announcement of a server that listens: a line of JSON for scripts, or URLs and commands for a reader.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::Path,
};

use anyhow::Context as _;
use record::SinkKind;
use serde::Serialize;
use serve::Server;

use super::certificate::Certificate;
use crate::flags::{Listen, ServeArgs};

/// The size of the generated body in the commands.
const SIZE: &str = "1GiB";

/// The addresses of a server, and what its clients need to reach it.
pub(super) struct Announcement<'a> {
    cleartext: Option<SocketAddr>,
    unix: Option<&'a Path>,
    tls: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    fingerprint: Option<String>,
    certificate: Option<&'a Path>,
    is_self_signed: bool,
    token_file: Option<&'a Path>,
    asks_for_certificates: bool,
    sink: &'a SinkKind,
    is_json: bool,
}

impl<'a> Announcement<'a> {
    /// Returns the announcement of a server with these flags.
    pub(super) fn of(server: &Server, certificate: Option<&'a Certificate>, args: &'a ServeArgs) -> Self {
        let fingerprint = server.fingerprint().map(|digest| {
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{digits}")
        });
        let unix = match &args.listen {
            Some(Listen::Unix(path)) => Some(path.as_path()),
            Some(Listen::Tcp(_)) | None => None,
        };
        Self {
            cleartext: server.cleartext_addr(),
            unix,
            tls: server.tls_addr(),
            metrics: server.metrics_addr(),
            fingerprint,
            certificate: certificate.map(Certificate::path),
            is_self_signed: args.cert.is_none(),
            token_file: args.token_file(),
            asks_for_certificates: args.client_ca.is_some(),
            sink: &args.sink,
            is_json: args.json,
        }
    }

    /// Prints the announcement on stdout: as text on a terminal, else as a line of JSON.
    ///
    /// # Errors
    /// Fails if stdout is closed.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        let text = if self.is_json || !stdout.is_terminal() { self.json()? } else { self.text() };
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to stdout")
    }

    fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Listening<'a> {
            event: &'static str,
            cleartext: Option<String>,
            unix: Option<Cow<'a, str>>,
            tls: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            metrics: Option<String>,
            fingerprint: Option<&'a str>,
            certificate: Option<&'a Path>,
        }
        let line = serde_json::to_string(&Listening {
            event: "listening",
            cleartext: self.cleartext.map(|addr| addr.to_string()),
            unix: self.unix.map(Path::to_string_lossy),
            tls: self.tls.map(|addr| addr.to_string()),
            metrics: self.metrics.map(|addr| addr.to_string()),
            fingerprint: self.fingerprint.as_deref(),
            certificate: self.certificate,
        })?;
        Ok(line + "\n")
    }

    fn text(&self) -> String {
        let cleartext = self.cleartext.map(|addr| format!("http://{}/", reachable(addr)));
        let tls = self.tls.map(|addr| format!("https://{}/", reachable(addr)));
        let mut text = "Listening until Ctrl-C:\n".to_owned();
        if let Some(url) = &cleartext {
            text += &format!("  {url:<24}  HTTP/1.1 and HTTP/2 (h1c, h2c)\n");
        }
        if let Some(path) = self.unix {
            text += &format!("  unix:{}  HTTP/1.1 and HTTP/2 (h1c, h2c)\n", path.display());
        }
        if let Some(url) = &tls {
            text += &format!("  {url:<24}  HTTP/1.1, HTTP/2 and HTTP/3 (h1, h2, h3)\n");
            text += &self.certificate_line();
        }
        if let Some(addr) = self.metrics {
            text += &format!("  http://{}/metrics  figures for Prometheus\n", reachable(addr));
        }
        text += &match self.sink {
            SinkKind::Save(folder) => format!("  Uploads are saved in {}\n", folder.display()),
            SinkKind::Verify => "  Uploads are verified and dropped; --sink save:DIR saves them\n".to_owned(),
            _ => "  Uploads are dropped; --sink save:DIR saves them\n".to_owned(),
        };
        if let Some(url) = cleartext {
            text += &self.commands("Over cleartext:", &url, "", "");
        }
        if let Some(path) = self.unix.map(quoted) {
            let flags = format!("--unix-socket {path} ");
            text += &self.commands("Over the Unix socket:", "http://localhost/", &flags, &flags);
        }
        if let Some(url) = tls {
            let [curl, own] = self.trust();
            text += &self.commands(
                "Over TLS, and HTTP/3 over QUIC:",
                &url,
                &curl,
                &format!("{own}--protocol h3 "),
            );
        }
        text + "\n"
    }

    fn certificate_line(&self) -> String {
        let kind = if self.is_self_signed { "Self-signed certificate" } else { "Certificate" };
        let path = self.certificate.map_or_else(String::new, |path| format!(" {}", path.display()));
        let fingerprint = self.fingerprint.as_deref().unwrap_or_default();
        format!("  {kind}{path}\n    {fingerprint}\n")
    }

    /// Returns the flags by which curl and longhaul trust the server, and present a certificate if the server asks for
    /// one.
    fn trust(&self) -> [String; 2] {
        let own = if self.asks_for_certificates { "--cert CLIENT.pem " } else { "" };
        match (self.certificate.map(quoted), &self.fingerprint) {
            (Some(path), _) => [format!("{own}--cacert {path} "), format!("{own}--cacert {path} ")],
            (None, Some(pin)) => [format!("{own}-k "), format!("{own}--pin {pin} ")],
            (None, None) => [own.to_owned(), own.to_owned()],
        }
    }

    /// Returns commands that upload and download, with these flags of curl and of longhaul.
    fn commands(&self, title: &str, url: &str, curl: &str, own: &str) -> String {
        let [curl_token, own_token] = match self.token_file.map(quoted) {
            Some(path) => {
                [format!("-H \"Authorization: Bearer $(cat {path})\" "), format!("--token-file {path} ")]
            }
            None => [String::new(), String::new()],
        };
        // A saved upload needs a name, so the command sends a file.
        let body = match self.sink {
            SinkKind::Save(_) => "-T FILE".to_owned(),
            _ => format!("--size {SIZE}"),
        };
        format!(
            "\n{title}\n  curl {curl}{curl_token}-T FILE {url}\n  \
             curl {curl}{curl_token}-o /dev/null '{url}?size={SIZE}'\n  \
             longhaul send {own}{own_token}{url} {body}\n  \
             longhaul fetch {own}{own_token}'{url}?size={SIZE}'\n"
        )
    }
}

/// Returns an address that clients of this machine can connect to, in a URL.
fn reachable(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { format!("localhost:{}", addr.port()) } else { addr.to_string() }
}

/// Returns a path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement<'a>(sink: &'a SinkKind) -> Announcement<'a> {
        Announcement {
            cleartext: "0.0.0.0:8430".parse().ok(),
            unix: None,
            tls: "127.0.0.1:8434".parse().ok(),
            metrics: None,
            fingerprint: Some("sha256:00".into()),
            certificate: Some(Path::new("/tmp/a b.pem")),
            is_self_signed: true,
            token_file: None,
            asks_for_certificates: false,
            sink,
            is_json: false,
        }
    }

    #[test]
    fn a_reader_gets_urls_and_commands_for_each_address() {
        let sink = SinkKind::Save("/srv/up".into());
        let mut announcement = announcement(&sink);
        let text = announcement.text();
        for line in [
            "curl -T FILE http://localhost:8430/",
            "longhaul fetch 'http://localhost:8430/?size=1GiB'",
            "curl --cacert '/tmp/a b.pem' -T FILE https://127.0.0.1:8434/",
            "longhaul send --cacert '/tmp/a b.pem' --protocol h3 https://127.0.0.1:8434/ -T FILE",
            "Uploads are saved in /srv/up",
        ] {
            assert!(text.contains(&format!("  {line}\n")), "{line}: {text}");
        }
        (announcement.cleartext, announcement.unix) = (None, Some(Path::new("/run/s")));
        announcement.certificate = None;
        let text = announcement.text();
        assert!(text.contains("curl --unix-socket /run/s -T FILE http://localhost/"), "{text}");
        assert!(text.contains("--pin sha256:00") && !text.contains("http://0.0.0.0"), "{text}");
    }

    #[test]
    fn the_commands_carry_the_token_and_the_certificate_of_a_client() {
        let sink = SinkKind::Verify;
        let mut announcement = announcement(&sink);
        (announcement.token_file, announcement.asks_for_certificates) = (Some(Path::new("/t")), true);
        let text = announcement.text();
        assert!(text.contains(r#"curl -H "Authorization: Bearer $(cat /t)" -T FILE"#), "{text}");
        assert!(text.contains("longhaul send --token-file /t http://localhost:8430/ --size 1GiB"), "{text}");
        assert!(text.contains("curl --cert CLIENT.pem --cacert"), "{text}");
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("/srv/a-b.pem")), "/srv/a-b.pem");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
