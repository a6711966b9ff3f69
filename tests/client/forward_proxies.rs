//! `send` and `fetch` to nginx through forward proxies (`--proxy`): proxy.py and Apache httpd.
//!
//! `scripts/peers` installs nginx and proxy.py. Without them, the tests print a line and pass; with `CI` set, they fail.
//! Without Apache httpd, its test prints a line and passes.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::common::{
    self, assert_success,
    nginx::nginx,
    peers,
    ports::{free_port, wait_for},
    records, run, skip, text,
    transfer::{Ended, self_signed},
};

/// nginx with a folder that takes uploads by PUT and gives its files, over four protocols.
struct Nginx {
    ports: [u16; 3],
    certificate: PathBuf,
    folder: tempfile::TempDir,
    _process: Ended,
}

impl Nginx {
    fn start(peers: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = [(); 3].map(|()| free_port());
        let [plain, prior, tls] = ports;
        let (certificate, key) = self_signed(folder.path());
        fs::create_dir(folder.path().join("files")).unwrap();
        let servers = format!(
            " server {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{prior} http2; listen 127.0.0.1:{tls} ssl http2; \
             ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key}; root {folder}/files; \
             dav_methods PUT; location = /host {{ return 200 '$http_host|$http_proxy_authorization'; }} \
             location = /moved {{ return 302 https://localhost:{tls}/h2; }} }}\n",
            folder = folder.path().display(),
            certificate = certificate.display(),
            key = key.display(),
        );
        let process = nginx(peers, folder.path(), &servers, tls);
        Self { ports, certificate, folder, _process: process }
    }

    fn url(&self, protocol: &str, path: &str) -> String {
        let [plain, prior, tls] = self.ports;
        match protocol {
            "h1c" => format!("http://localhost:{plain}{path}"),
            "h2c" => format!("http://localhost:{prior}{path}"),
            _ => format!("https://localhost:{tls}{path}"),
        }
    }

    /// Returns the flags of a transfer.
    fn flags<'a>(&'a self, protocol: &'a str) -> Vec<&'a str> {
        let trust = if protocol.ends_with('c') { vec![] } else { vec!["--cacert", shown(&self.certificate)] };
        [vec!["--protocol", protocol, "--quiet"], trust].concat()
    }

    /// Uploads a file and downloads it again over each protocol, both through a proxy.
    fn exchange(&self, proxy: &[&str]) {
        let (file, copy) = (self.folder.path().join("some.bin"), self.folder.path().join("copy"));
        let content: Vec<u8> = (0..20_000_000_u32).map(|i| (i ^ (i >> 7)) as u8).collect();
        fs::write(&file, &content).unwrap();
        for protocol in ["h1c", "h2c", "h1", "h2"] {
            let (url, flags) = (self.url(protocol, &format!("/{protocol}")), self.flags(protocol));
            assert_success(&run(&[&["send", &url, "-T", shown(&file)], proxy, &flags[..]].concat()));
            assert!(
                fs::read(self.folder.path().join("files").join(protocol)).unwrap() == content,
                "{protocol}"
            );
            assert_success(&run(&[&["fetch", &url, "-o", shown(&copy)], proxy, &flags[..]].concat()));
            assert!(fs::read(&copy).unwrap() == content, "{protocol}");
        }
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// proxy.py, which is killed at the end of the test together with the processes that it starts.
struct ProxyPy(Child);

impl ProxyPy {
    /// Starts proxy.py, which asks for a user and a password. Returns its port as well.
    fn start(peers: &Path) -> (Self, u16) {
        let port = free_port();
        let mut proxy = Command::new(peers.join("bin/proxy"));
        proxy.args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--basic-auth", "me:hunter2"]);
        proxy.args(["--num-workers", "1", "--num-acceptors", "1", "--local-executor", "1"]);
        proxy.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = Self(proxy.spawn().unwrap());
        wait_for(port);
        (proxy, port)
    }
}

impl Drop for ProxyPy {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn bodies_pass_proxy_py_with_credentials_and_are_refused_without() {
    let Some(peers) = peers() else { return };
    let (nginx, (_proxy, port)) = (Nginx::start(&peers), ProxyPy::start(&peers));
    let plain = format!("127.0.0.1:{port}");
    nginx.exchange(&["-x", &plain, "-U", "me:hunter2"]);
    nginx.exchange(&["-p", "--proxy", &format!("http://me:hunter2@{plain}")]);
    for (protocol, flags, part) in [
        ("h1c", &[][..], format!("Required (through http://{plain}); give")),
        (
            "h1",
            &["-U", "me:hunter3"],
            format!("cannot connect through the proxy {plain}: it answered 407 Proxy"),
        ),
        ("h2", &[], format!("to CONNECT localhost:{}; give credentials of the proxy", nginx.ports[2])),
    ] {
        let url = nginx.url(protocol, "/none");
        let args = [&["fetch", &url, "-x", &plain][..], flags, &nginx.flags(protocol)].concat();
        let told = text(&run(&args).stderr);
        assert!(told.contains(&part) && told.contains("--proxy-user") && !told.contains("hunter3"), "{told}");
    }
}

#[test]
fn a_proxy_gets_the_host_of_the_url_and_its_credentials_go_no_further() {
    let Some(peers) = peers() else { return };
    let (nginx, (_proxy, port)) = (Nginx::start(&peers), ProxyPy::start(&peers));
    let proxy = format!("http://me:hunter2@p.invalid:{port}");
    let resolve = format!("--resolve=p.invalid:{port}:127.0.0.1");
    let through = ["-x", &proxy, &resolve, "--quiet", "-o", "-"];
    let fetched = |url: &str, flags: &[&str]| {
        let output = run(&[&["fetch", url], &through[..], flags].concat());
        assert_success(&output);
        text(&output.stdout)
    };
    let url = nginx.url("h1c", "/host");
    let host = format!("localhost:{}", nginx.ports[0]);
    assert_eq!(fetched(&url, &[]), format!("{host}|"));
    assert_eq!(fetched(&url, &["-p", "-H", "Host: other"]), "other|");
    // The proxy must dial the place that --connect-to names, and the request still has the host of the URL.
    let elsewhere = format!("--connect-to=a.invalid:80:127.0.0.1:{}", nginx.ports[0]);
    assert_eq!(fetched("http://a.invalid/host", &[&elsewhere]), "a.invalid|");

    fs::write(nginx.folder.path().join("files/h2"), b"abc").unwrap();
    let moved = nginx.url("h1c", "/moved");
    let trust = ["--cacert", shown(&nginx.certificate), "-L", "--json"];
    let output = run(&[&["fetch", &moved, "-x", &proxy, &resolve, "--quiet"], &trust[..]].concat());
    assert_success(&output);
    let record = &records(&text(&output.stdout))[0];
    assert_eq!(
        (record["case"]["protocol"].as_str(), record["receiver"]["bytes"].as_u64()),
        (Some("h1"), Some(3))
    );
    assert_eq!(record["peer"], format!("{moved} (proxy: http://p.invalid:{port})"));
    assert!(!text(&output.stdout).contains("hunter2"));
}

/// Starts Apache httpd as a forward proxy, with its log in `folder`. `None` if it is not installed.
fn apache(folder: &Path) -> Option<(Ended, u16)> {
    let modules = Path::new("/usr/lib/apache2/modules");
    if !Path::new("/usr/sbin/apache2").exists() || !modules.join("mod_proxy_connect.so").exists() {
        skip("Apache httpd is missing; apt-get install apache2-bin installs it");
        return None;
    }
    let port = free_port();
    let names = ["mpm_event", "authz_core", "proxy", "proxy_http", "proxy_connect"];
    let modules =
        names.map(|name| format!("LoadModule {name}_module {}/mod_{name}.so\n", modules.display())).concat();
    let (config, folder) = (folder.join("apache.conf"), folder.display());
    let server = format!(
        "{modules}ServerName localhost\nServerRoot {folder}\nPidFile {folder}/pid\nDefaultRuntimeDir {folder}\n\
         ErrorLog {folder}/error.log\nCustomLog {folder}/access.log '%r %>s'\nMutex file:{folder}\n\
         LimitRequestBody 0\nListen 127.0.0.1:{port}\nProxyRequests On\nAllowCONNECT 1024-65535\n"
    );
    fs::write(&config, server).unwrap();
    let mut apache = Command::new("/usr/sbin/apache2");
    let apache = Ended(apache.args(["-X", "-f"]).arg(&config).stderr(Stdio::null()).spawn().unwrap());
    wait_for(port);
    Some((apache, port))
}

#[test]
fn apache_forwards_cleartext_of_http_1_and_tunnels_everything_else() {
    let Some(peers) = peers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some((_apache, port)) = apache(folder.path()) else { return };
    let nginx = Nginx::start(&peers);
    let proxy = format!("127.0.0.1:{port}");
    nginx.exchange(&["--proxy", &proxy]);
    let url = nginx.url("h1c", "/h1c");
    assert_success(&run(&["fetch", &url, "--proxy", &proxy, "--proxytunnel", "--quiet"]));
    let closed = format!("https://localhost:{}/", free_port());
    let refused = text(&run(&["fetch", &closed, "--proxy", &proxy, "-k"]).stderr);
    assert!(
        refused.contains(&format!("through the proxy {proxy}: it answered 503 Service Unavailable")),
        "{refused}"
    );
    let log = fs::read_to_string(folder.path().join("access.log")).unwrap();
    let count = |line: String| log.lines().filter(|logged| *logged == line).count();
    let [plain, prior, tls] = nginx.ports.map(|port| format!("CONNECT localhost:{port} HTTP/1.1 200"));
    assert_eq!(count(format!("PUT {url} HTTP/1.1 201")), 1, "{log}");
    assert_eq!(count(format!("GET {url} HTTP/1.1 200")), 1, "{log}");
    assert_eq!([plain, prior, tls].map(count), [1, 2, 4], "{log}");
}

#[test]
fn a_proxy_that_cannot_be_used_is_named() {
    let closed = free_port();
    for (args, code, part) in [
        (vec!["-x", "socks5://me:hunter2@x"], 2, "SOCKS proxies are not supported"),
        (vec!["-x", "x", "-U", "me"], 2, "USER:PASSWORD"),
        (vec!["-U", "me:pw"], 2, "--proxy"),
        (vec!["-p"], 2, "--proxy"),
        (vec!["-x", "x", "--unix-socket", "/x"], 2, "--unix-socket"),
        (vec!["-x", "x", "--protocol", "h3"], 2, "h3 runs over UDP"),
        (vec!["-x", "p.invalid"], 1, "p.invalid"),
        (vec!["-x", &format!("127.0.0.1:{closed}")], 1, "cannot connect through the proxy 127.0.0.1:"),
    ] {
        let output = run(&[&["fetch", "https://localhost:1/"], &args[..]].concat());
        let told = text(&output.stderr);
        let is_told = told.contains(part) && !told.contains("hunter2");
        assert!(output.status.code() == Some(code) && is_told, "{args:?}: {told}");
    }
}

/// A benchmark must not be led through a proxy by its environment.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let Some(peers) = peers() else { return };
    let nginx = Nginx::start(&peers);
    let mut command = common::longhaul(&["fetch", &nginx.url("h1c", "/host"), "--quiet"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:1");
    }
    assert_success(&command.output().unwrap());
}
