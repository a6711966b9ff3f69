//! Certificates of clients: `send` and `fetch` present one to Caddy, and `serve` asks curl for one.
//!
//! `scripts/peers` installs Caddy. Without it, its test prints a line and passes; with `CI` set, it fails.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::common::{
    assert_success, caddy::caddy, peers, ports::free_port, records, run, server::Server, text,
    transfer::self_signed,
};

const ENCRYPTED: [&str; 3] = ["h1", "h2", "h3"];

/// An authority, and the certificate of a client that it has signed.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let client = CertificateParams::new(vec!["client".into()]).unwrap().signed_by(&key, &issuer).unwrap();
        let made = Self { folder };
        fs::write(made.path("ca.pem"), issuer.pem()).unwrap();
        fs::write(made.path("client.pem"), client.pem()).unwrap();
        fs::write(made.path("client.key"), key.serialize_pem()).unwrap();
        fs::write(made.path("both.pem"), client.pem() + &key.serialize_pem()).unwrap();
        for secret in ["client.key", "both.pem"] {
            fs::set_permissions(made.path(secret), fs::Permissions::from_mode(0o600)).unwrap();
        }
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the flags that present the client's certificate.
    fn flags(&self) -> [String; 4] {
        let path = |name| self.path(name).display().to_string();
        ["--cert".into(), path("client.pem"), "--key".into(), path("client.key")]
    }
}

/// Uploads and downloads with a certificate, with the certificate and its key in one file, and without a certificate.
///
/// With a certificate, the transfers are `transfers`.
fn assert_certificate_counts(url: &str, cacert: &Path, authority: &Authority, transfers: &[&[&str]]) {
    let both = ["-E".into(), authority.path("both.pem").display().to_string()];
    for protocol in ENCRYPTED {
        let common = ["--protocol", protocol, "--cacert", cacert.to_str().unwrap(), "--quiet"];
        for transfer in transfers {
            for flags in [&authority.flags()[..], &both[..]] {
                let flags: Vec<_> = flags.iter().map(String::as_str).collect();
                let output = run(&[*transfer, &common, &flags].concat());
                assert_success(&output);
                assert_eq!(text(&output.stderr), "", "{protocol}");
            }
        }
        for transfer in [&["send", url, "--size", "256MiB"][..], &["fetch", url]] {
            let output = run(&[transfer, &common].concat());
            let told = text(&output.stderr);
            assert!(
                output.status.code() == Some(1) && told.contains("by --cert FILE and --key FILE"),
                "{protocol} {transfer:?}: {told}"
            );
        }
    }
}

#[test]
fn caddy_accepts_the_certificate_of_a_client() {
    let Some(peers) = peers() else { return };
    let (authority, folder, port) = (Authority::new(), tempfile::tempdir().unwrap(), free_port());
    let (certificate, key) = self_signed(folder.path());
    let sites = format!(
        "https://localhost:{port} {{\n tls {cert} {key} {{\n client_auth {{\n mode require_and_verify\n \
         trust_pool file {{\n pem_file {ca}\n }}\n }}\n }}\n respond hello\n}}\n",
        cert = certificate.display(),
        key = key.display(),
        ca = authority.path("ca.pem").display(),
    );
    let _caddy = caddy(&peers, folder.path(), &sites, port);
    // Caddy answers an upload here before it has the body.
    let url = format!("https://localhost:{port}/");
    assert_certificate_counts(&url, &certificate, &authority, &[&["fetch", &url]]);
}

#[test]
fn serve_admits_clients_with_a_certificate_of_its_authority_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(&["--client-ca", authority.path("ca.pem").to_str().unwrap()]);
    let url = server.url(true, "/?size=64KiB");
    let transfers = [&["send", &url, "--size", "64KiB"][..], &["fetch", &url]];
    assert_certificate_counts(&url, &server.certificate(), &authority, &transfers);
    // A session would outlive the certificate, so each connection needs a full handshake.
    let certificate = server.certificate();
    for protocol in ENCRYPTED {
        let flags = authority.flags();
        let mut args = vec!["fetch", &url, "--protocol", protocol, "--resume-session", "--json", "--quiet"];
        args.extend(["--cacert", certificate.to_str().unwrap()]);
        args.extend(flags.iter().map(String::as_str));
        let output = run(&args);
        assert_success(&output);
        let record = records(&text(&output.stdout)).remove(0);
        assert_eq!(record["resumption"]["session_received"], false, "{protocol}");
    }
    for (flags, is_admitted) in
        [(&authority.flags()[..], true), (&other.flags()[..], false), (&[][..], false)]
    {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "--cacert"]).arg(server.certificate()).args(flags).arg(&url);
        assert_eq!(curl.output().unwrap().status.success(), is_admitted, "{flags:?}");
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let certificate = server.certificate();
        let common = ["fetch", &url, "--cacert", certificate.to_str().unwrap(), "--quiet"];
        for protocol in ENCRYPTED {
            let output = run(&[&common[..], &["--protocol", protocol], &flags].concat());
            assert_eq!(output.status.success(), is_admitted, "{protocol}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn a_file_without_a_certificate_is_wrong_usage() {
    let authority = Authority::new();
    let (key, certificate) = (authority.path("client.key"), authority.path("client.pem"));
    let (key, certificate) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    for (args, part) in [
        (vec!["fetch", "https://x/", "--cert", "/no/such"], "--cert: cannot use the certificate: /no/such"),
        (vec!["fetch", "https://x/", "--cert", key], "it contains no certificate"),
        (vec!["fetch", "https://x/", "--cert", certificate], "client.pem"),
        (vec!["fetch", "https://x/", "--key", key], "--cert"),
        (vec!["serve", "--client-ca", key], "--client-ca"),
    ] {
        let output = run(&args);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(part), "{args:?}: {told}");
    }
}
