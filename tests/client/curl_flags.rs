//! The flags of `send` and `fetch` with curl's names, against nginx.
//!
//! `scripts/peers` installs nginx. Without it, the tests print a line and pass; with `CI` set, they fail.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use metrics::Stamp;
use serde_json::json;

use crate::common::{
    assert_success, longhaul,
    nginx::nginx,
    peers,
    ports::free_port,
    records, run, text,
    transfer::{Ended, self_signed},
};

/// nginx with a folder that takes uploads by PUT and gives its files, in cleartext and over TLS.
struct Nginx {
    port: u16,
    tls: u16,
    certificate: PathBuf,
    folder: tempfile::TempDir,
    _process: Ended,
}

impl Nginx {
    /// Starts nginx with additional directives of its server, in which `PORT` and `TLS` stand for its ports. `None` if
    /// nginx is not installed.
    fn start(directives: &str) -> Option<Self> {
        Self::start_in("", directives)
    }

    /// Starts nginx with directives beside its server as well.
    fn start_in(beside: &str, directives: &str) -> Option<Self> {
        let (peers, folder) = (peers()?, tempfile::tempdir().unwrap());
        let (port, tls) = (free_port(), free_port());
        let (certificate, key) = self_signed(folder.path());
        fs::create_dir(folder.path().join("files")).unwrap();
        let directives = directives.replace("PORT", &port.to_string()).replace("TLS", &tls.to_string());
        let servers = format!(
            " {beside} server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl http2; ssl_protocols TLSv1.3; \
             ssl_certificate {certificate}; ssl_certificate_key {key}; root {folder}/files; dav_methods PUT; \
             {directives} }}\n",
            certificate = certificate.display(),
            key = key.display(),
            folder = folder.path().display()
        );
        let process = nginx(&peers, folder.path(), &servers, tls);
        Some(Self { port, tls, certificate, folder, _process: process })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Creates a file for downloads.
    fn store(&self, name: &str, content: &[u8]) {
        fs::write(self.folder.path().join("files").join(name), content).unwrap();
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
fn a_download_follows_redirects_to_its_file() {
    let directives = "location = /a { return 302 b/c?d; } location = /b/c { return 308 ../some.bin; } \
                      location = /round { return 302 /round; }";
    let Some(nginx) = Nginx::start(directives) else { return };
    let content = content(300_000);
    nginx.store("some.bin", &content);
    let copy = nginx.folder.path().join("copy");
    let args = ["fetch", &nginx.url("/a"), "-L", "-o", path_text(&copy), "--quiet", "--json"];
    let output = run(&args);
    assert_success(&output);
    assert!(fs::read(&copy).unwrap() == content);
    let record = &records(&text(&output.stdout))[0];
    assert_eq!(record["redirects"], json!({ "count": 2, "url": nginx.url("/some.bin") }));
    assert_eq!(record["peer"], nginx.url("/a"));
    for (path, flags, part) in [
        ("/a", &[][..], "which is not followed; the maximum of 0 redirects is reached; allow more by -L"),
        ("/a", &["-L", "--max-redirs", "0"][..], "by a larger --max-redirs"),
        ("/a", &["-L", "--max-redirs", "1"][..], "--max-redirs"),
        ("/round", &["-L"][..], "it is the redirect after 50"),
    ] {
        let output = run(&[&["fetch", &nginx.url(path), "--quiet"], flags].concat());
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(part), "{flags:?}: {told}");
    }
    let moved = run(&["fetch", &nginx.url("/a"), "-L", "--expect-status", "302", "--quiet", "--json"]);
    assert_success(&moved);
    assert!(records(&text(&moved.stdout))[0]["redirects"].is_null());
}

#[test]
fn an_upload_is_sent_again_to_the_target_of_a_redirect() {
    let codes = [301, 302, 307, 308];
    let moved = codes.map(|code| format!("location = /{code} {{ return {code} /stored-{code}; }} ")).concat();
    let Some(nginx) = Nginx::start(&moved) else { return };
    let (folder, content) = (tempfile::tempdir().unwrap(), content(3_000_000));
    let file = folder.path().join("some.bin");
    fs::write(&file, &content).unwrap();
    for code in codes {
        let output = run(&[
            "send",
            &nginx.url(&format!("/{code}")),
            "-L",
            "-T",
            path_text(&file),
            "--quiet",
            "--json",
        ]);
        assert_success(&output);
        assert!(nginx.uploaded(&format!("stored-{code}")) == content, "{code}");
        assert_eq!(records(&text(&output.stdout))[0]["redirects"]["count"], 1);
    }
    let output = run_with_input(&["send", &nginx.url("/307"), "-L", "-T-", "--quiet"], &content);
    let told = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && told.contains("payload - cannot be read from its start"),
        "{told}"
    );
}

/// nginx answers `/see` once it has the whole body, and `/early` before.
#[test]
fn a_303_to_an_upload_is_followed_by_a_get() {
    let directives = "location = /see { proxy_pass http://127.0.0.1:PORT/early; } \
                      location = /early { return 303 /done; } \
                      location = /done { if ($request_method != GET) { return 405; } return 200; } \
                      location = /see-nothing { proxy_pass http://127.0.0.1:PORT/nothing; } \
                      location = /nothing { return 303 /no/such; }";
    let Some(nginx) = Nginx::start(directives) else { return };
    let send = |path: &str, size: &str| {
        run(&["send", &nginx.url(path), "-L", "-X", "POST", "--size", size, "--quiet", "--json"])
    };
    let output = send("/see", "1MiB");
    assert_success(&output);
    let record = &records(&text(&output.stdout))[0];
    assert_eq!(record["redirects"], json!({ "count": 1, "url": nginx.url("/done") }));
    assert_eq!(record["sender"]["bytes"], 1 << 20);
    for (path, size, part) in
        [("/see-nothing", "1MiB", "404 Not Found"), ("/early", "256MiB", "303 See Other")]
    {
        let output = send(path, size);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(part), "{path}: {told}");
        assert!(records(&text(&output.stdout))[0]["goodput_bytes_per_s"].is_null());
    }
}

#[test]
fn credentials_stay_at_the_first_origin() {
    let directives = "location = /same { return 302 /echo; } location = /other { return 302 http://localhost:PORT/echo; } \
                      location = /echo { return 200 '$http_authorization|$http_cookie|$http_x_key'; }";
    let Some(nginx) = Nginx::start(directives) else { return };
    let fields = ["-u", "me:hunter2", "-H", "Cookie: a=b", "-H", "X-Key: c"];
    for (path, expected) in [("/same", "Basic bWU6aHVudGVyMg==|a=b|c"), ("/other", "||c")] {
        let url = nginx.url(path);
        let output = run(&[&["fetch", &url, "-L", "-o", "-", "--quiet"], &fields[..]].concat());
        assert_success(&output);
        assert_eq!(text(&output.stdout), expected);
    }
}

#[test]
fn a_redirect_may_change_the_scheme() {
    let directives = "location = /up { return 302 https://localhost:TLS/some.bin; } \
                      location = /down { return 302 http://localhost:PORT/some.bin; }";
    let Some(nginx) = Nginx::start(directives) else { return };
    nginx.store("some.bin", b"abc");
    let tls = format!("https://localhost:{}/down", nginx.tls);
    for (url, protocol) in [(nginx.url("/up"), "h1"), (tls, "h1c")] {
        let trust = ["--cacert", path_text(&nginx.certificate)];
        let output = run(&[&["fetch", &url, "-L", "-4", "--quiet", "--json"], &trust[..]].concat());
        assert_success(&output);
        let record = &records(&text(&output.stdout))[0];
        assert_eq!(record["case"]["protocol"], protocol);
        assert_eq!(record["receiver"]["bytes"], 3);
    }
}

#[test]
fn a_part_is_completed_behind_a_redirect() {
    let Some(nginx) = Nginx::start("location = /moved { return 302 /big; }") else { return };
    let content = content(6_000_000);
    nginx.store("big", &content);
    let copy = nginx.folder.path().join("copy");
    let url = nginx.url("/moved");
    let args = ["fetch", &url, "-L", "-C", "-", "-o", path_text(&copy), "--quiet", "--json"];
    let output = run(&[&args[..], &["--reader-rate", "2MiB", "-m", "1"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let held = fs::metadata(nginx.folder.path().join("copy.part")).unwrap().len();
    assert!(held > 0 && held < 6_000_000, "{held}");
    let output = run(&args);
    assert_success(&output);
    assert!(fs::read(&copy).unwrap() == content);
    assert_eq!(records(&text(&output.stdout))[0]["receiver"]["bytes"], 6_000_000 - held);
}

/// nginx accepts one request in three seconds.
#[test]
fn a_transfer_is_tried_again_until_the_server_accepts_it() {
    let directives =
        "location /slow/ { limit_req zone=slow; limit_req_status 429; create_full_put_path on; }";
    let zone = "limit_req_zone $server_port zone=slow:1m rate=20r/m;";
    let Some(nginx) = Nginx::start_in(zone, directives) else { return };
    let (folder, content) = (tempfile::tempdir().unwrap(), content(300_000));
    let file = folder.path().join("some.bin");
    fs::write(&file, &content).unwrap();
    let (url, copy) = (nginx.url("/slow/some.bin"), folder.path().join("copy"));
    let send = ["send", &url, "-T", path_text(&file)];
    let fetch = ["fetch", &url, "-o", path_text(&copy)];
    let tries = [&send, &send, &fetch].map(|args| {
        let output = run(&[&args[..], &["--retry", "5", "--json", "--quiet"]].concat());
        assert_success(&output);
        records(&text(&output.stdout))[0]["tries"].as_u64().unwrap()
    });
    assert!(tries[0] == 1 && tries[1] > 1 && tries[2] > 1, "{tries:?}");
    assert!(nginx.uploaded("slow/some.bin") == content && fs::read(&copy).unwrap() == content);
}

#[test]
fn a_failure_stays_one_if_it_lasts_or_cannot_be_repeated() {
    let directives = "location = /busy { add_header Retry-After 2 always; return 503; } \
                      location = /down { return 502; } location = /gone { return 404; }";
    let Some(nginx) = Nginx::start(directives) else { return };
    let refused = format!("http://127.0.0.1:{}/", free_port());
    for (url, flags, tries, least) in [
        (nginx.url("/busy"), &["--retry", "1", "--retry-delay", "0.1"][..], 2, 2.0),
        (nginx.url("/down"), &["--retry", "3", "--retry-delay", "0.1"][..], 4, 0.3),
        (nginx.url("/busy"), &["--retry", "3", "--retry-max-time", "1"][..], 1, 0.0),
        ("http://a.invalid/".into(), &["--retry", "1", "--retry-delay", "0.1"][..], 2, 0.0),
        (nginx.url("/gone"), &["--retry", "3"][..], 1, 0.0),
        (refused, &["--retry", "3"][..], 1, 0.0),
    ] {
        let began = Stamp::now();
        let output = run(&[&["fetch", &url, "--json", "--quiet"], flags].concat());
        assert_eq!(output.status.code(), Some(1), "{url}");
        assert_eq!(records(&text(&output.stdout))[0]["tries"], tries, "{url} {flags:?}");
        assert!(began.elapsed().as_secs_f64() >= least, "{url}: {:?}", began.elapsed());
    }
    let output = run(&["fetch", &nginx.url("/down"), "--retry", "2", "--retry-delay", "0.01"]);
    let told = text(&output.stderr);
    assert!(
        told.contains("502 Bad Gateway") && told.contains("next try in 0.01 s (retries left: 1)"),
        "{told}"
    );
    let args = ["send", &nginx.url("/busy"), "-T-", "--retry", "3", "--json", "--quiet"];
    let output = run_with_input(&args, b"abc");
    let told = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && told.contains("payload - cannot be read from its start"),
        "{told}"
    );
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
        (vec!["fetch", "http://x/", "-L", "--max-redirs", "-2"], "-1 for any"),
        (vec!["fetch", "http://x/", "--retry-delay", "1"], "--retry"),
        (vec!["fetch", "http://x/", "--retry", "1", "--retry-delay", "soon"], "duration"),
    ] {
        let output = run(&args);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(part), "{args:?}: {told}");
    }
}
