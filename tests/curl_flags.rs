//! The flags of `send` and `fetch` with curl's names, against nginx.
//!
//! `scripts/peers` installs nginx. Without it, the tests print a line and pass; with `CI` set, they fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use common::{
    assert_success, longhaul,
    nginx::nginx,
    peers, run, text,
    transfer::{Ended, free_port},
};

/// nginx with a folder that takes uploads by PUT and gives its files.
struct Nginx {
    port: u16,
    folder: tempfile::TempDir,
    _process: Ended,
}

impl Nginx {
    /// Starts nginx with additional directives of its server. `None` if nginx is not installed.
    fn start(directives: &str) -> Option<Self> {
        let (peers, folder, port) = (peers()?, tempfile::tempdir().unwrap(), free_port());
        fs::create_dir(folder.path().join("files")).unwrap();
        let servers = format!(
            " server {{ listen 127.0.0.1:{port}; root {}/files; dav_methods PUT; {directives} }}\n",
            folder.path().display()
        );
        let process = nginx(&peers, folder.path(), &servers, port);
        Some(Self { port, folder, _process: process })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns the content of a file that was uploaded.
    fn uploaded(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join("files").join(name)).unwrap()
    }
}

fn content(length: u32) -> Vec<u8> {
    (0..length).map(|i| (i ^ (i >> 7)) as u8).collect()
}

fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = longhaul(args);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = piped.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_file_or_standard_input_is_uploaded_by_its_short_flag() {
    let Some(nginx) = Nginx::start("") else { return };
    let (folder, content) = (tempfile::tempdir().unwrap(), content(300_000));
    let file = folder.path().join("some.bin");
    fs::write(&file, &content).unwrap();
    assert_success(&run(&["send", &nginx.url("/"), "-T", path_text(&file), "--quiet"]));
    assert!(nginx.uploaded("some.bin") == content);
    for (name, flag) in [("dash", "-T-"), ("dot", "--upload-file=.")] {
        assert_success(&run_with_input(
            &["send", &nginx.url(&format!("/{name}")), flag, "--quiet"],
            &content,
        ));
        assert!(nginx.uploaded(name) == content);
    }
}

#[test]
fn a_host_has_the_addresses_and_the_place_that_the_user_states() {
    let Some(nginx) = Nginx::start("location = /host { return 200 $http_host; }") else { return };
    let port = nginx.port;
    for (host, flags) in [
        (format!("a.invalid:{port}"), vec![format!("--resolve=a.invalid:{port}:127.0.0.1")]),
        (format!("a.invalid:{port}"), vec![format!("--resolve=*:{port}:[::1],127.0.0.1"), "-6".into()]),
        ("a.invalid:81".into(), vec![format!("--connect-to=a.invalid:81:127.0.0.1:{port}")]),
        (
            "a.invalid".into(),
            vec![format!("--connect-to=::b.invalid:{port}"), format!("--resolve=b.invalid:{port}:127.0.0.1")],
        ),
        (format!("localhost:{port}"), vec!["-6".into(), "-4".into()]),
    ] {
        let url = format!("http://{host}/host");
        let flags = flags.iter().map(String::as_str);
        let args: Vec<_> = ["fetch", &url, "-o", "-", "--quiet"].into_iter().chain(flags).collect();
        let output = run(&args);
        assert_success(&output);
        assert_eq!(text(&output.stdout), host);
    }
    for (host, flags, part) in [
        ("127.0.0.1", vec!["-6"], "127.0.0.1 has no IPv6 address"),
        ("127.0.0.1", vec!["-4", "-6"], "127.0.0.1 has no IPv6 address"),
        (
            "a.invalid",
            vec!["--resolve", "a.invalid:1:127.0.0.1", "--resolve", "-a.invalid:1"],
            "cannot find a.inv",
        ),
    ] {
        let url = format!("http://{host}:1/");
        let output = run(&[&["fetch", &url], &flags[..]].concat());
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(part), "{flags:?}: {told}");
    }
}

#[test]
fn flags_that_contradict_each_other_are_wrong_usage() {
    for (args, part) in [
        (vec!["send", "http://x/", "-T", "a", "--payload", "zero"], "--payload"),
        (vec!["send", "http://x/", "-T", ""], "name a file"),
        (vec!["send", "http://x/", "-T", "/no/such"], "/no/such"),
        (vec!["send", "http://x/", "-T", "-", "--size", "1"], "--size"),
        (vec!["fetch", "http://x/", "--resolve", "x:80:y"], "HOST:PORT:ADDRESS"),
        (vec!["fetch", "http://x/", "--connect-to", "x:80:y"], "HOST1:PORT1:HOST2:PORT2"),
        (vec!["prove", "-4"], "--server"),
    ] {
        let output = run(&args);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(part), "{args:?}: {told}");
    }
}
