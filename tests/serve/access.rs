//! `longhaul serve` with unknown clients, tested with curl: access, refusals, and the log for the operator.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use crate::common::{self, server::Server};

/// A server that saves uploads, its folder, and its standard error.
struct Saving {
    folder: tempfile::TempDir,
    server: Server,
}

impl Saving {
    fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("saved")).unwrap();
        let sink = format!("save:{}", folder.path().join("saved").display());
        let stderr = folder.path().join("stderr");
        let server = Server::start_with_stderr(&[&["--sink", &sink], args].concat(), &stderr);
        Self { folder, server }
    }

    fn saved(&self, name: &str) -> PathBuf {
        self.folder.path().join("saved").join(name)
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// Returns a file outside the folder of the server.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Returns the status and the body that curl gets for a path.
    fn curl(&self, args: &[&str], path: &str) -> (u16, String) {
        let url = self.server.url(false, path);
        let common = ["-sS", "--max-time", "30", "-w", "\n%{http_code}"];
        let output = Command::new("curl").args(common).args(args).arg(url).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

#[test]
fn a_resumed_upload_a_form_and_a_coded_body_leave_the_file_as_it_is() {
    let serving = Saving::start(&[]);
    let file = serving.file("a", "0123456789");
    assert_eq!(serving.curl(&["-T", &file], "/a").0, 201);
    let form = format!("file=@{file}");
    for (args, status) in [
        (&["-C", "5", "-T", &file][..], 400),
        (&["-F", &form], 415),
        (&["-T", &file, "-H", "Content-Encoding: gzip"], 415),
        (&["-T", &file, "-H", "Tus-Resumable: 1.0.0"], 501),
        (&["-X", "PATCH", "--data-binary", "x"], 405),
    ] {
        let (answer, reason) = serving.curl(args, "/a");
        assert_eq!(answer, status, "{args:?}: {reason}");
        assert_eq!(fs::read_to_string(serving.saved("a")).unwrap(), "0123456789", "{args:?}");
    }
    assert_eq!(serving.curl(&["--data-binary", "whole"], "/b?file=c++").0, 201);
    assert_eq!(fs::read_to_string(serving.saved("c++")).unwrap(), "whole");
}

#[test]
fn a_download_is_resumed_and_not_repeated() {
    let serving = Saving::start(&[]);
    fs::write(serving.saved("a"), "0123456789").unwrap();
    let copy = serving.file("copy", "01234");
    assert_eq!(serving.curl(&["-C", "-", "-o", &copy], "/a").0, 206);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "0123456789");
    let etag = serving.folder.path().join("etag").to_str().unwrap().to_owned();
    assert_eq!(serving.curl(&["--etag-save", &etag], "/a"), (200, "0123456789".into()));
    assert_eq!(serving.curl(&["--etag-compare", &etag], "/a"), (304, String::new()));
    assert_eq!(serving.curl(&["-z", &copy], "/a").0, 304);
    assert_eq!(serving.curl(&["-T", &copy, "-H", "If-None-Match: *"], "/a").0, 412);
}

#[test]
fn a_token_is_asked_for_and_neither_printed_nor_logged() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "s3cret\n").unwrap();
    let exposed = |mode| {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        Saving::start(&["--token-file", token.to_str().unwrap(), "--access-log"])
    };
    assert!(exposed(0o644).stderr().contains("has mode 644: other users can read this secret"));
    let serving = exposed(0o600);
    assert!(!serving.stderr().contains("WARNING"), "{}", serving.stderr());
    for (args, status) in [
        (&[][..], 401),
        (&["-u", "me:other"], 401),
        (&["--oauth2-bearer", "other"], 401),
        (&["-u", "me:s3cret"], 200),
        (&["--oauth2-bearer", "s3cret"], 200),
    ] {
        assert_eq!(serving.curl(args, "/?size=5&token=s3cret").0, status, "{args:?}");
    }
    assert_eq!(serving.curl(&[], "/.longhaul/health").0, 200);
    let entries = logged(&serving, 6);
    assert_eq!((&entries[0]["status"], &entries[0]["user"]), (&401.into(), &Value::Null));
    assert_eq!((&entries[4]["status"], &entries[4]["user"]), (&200.into(), &"token".into()));
    assert!(!serving.stderr().contains("s3cret"), "{}", serving.stderr());
}

#[test]
fn the_log_tells_who_replaced_a_file_and_why_a_request_was_refused() {
    let serving = Saving::start(&["--access-log"]);
    for text in ["one", "two"] {
        assert_eq!(serving.curl(&["-X", "PUT", "--data", text], "/a").0, 201);
    }
    assert_eq!(serving.curl(&["-X", "PUT", "--data", "x"], "/?file=%1b").0, 400);
    let entries = logged(&serving, 3);
    for entry in &entries[..2] {
        assert_eq!((&entry["method"], &entry["target"]), (&"PUT".into(), &"/a".into()), "{entry}");
        assert!(entry["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{entry}");
        assert_eq!((&entry["status"], &entry["received"]), (&201.into(), &3.into()), "{entry}");
    }
    assert_eq!(entries[2]["reason"], "the name contains a control character");
}

#[test]
fn a_replaced_file_is_told_without_a_log_too() {
    let serving = Saving::start(&[]);
    for text in ["one", "two"] {
        assert_eq!(serving.curl(&["-X", "PUT", "--data", text], "/a").0, 201);
    }
    wait_for(|| serving.stderr().contains("replaced 'a'"));
    let stderr = serving.stderr();
    let told: Vec<_> = stderr.lines().filter(|line| line.contains("longhaul_serve")).collect();
    assert!(told.len() == 1 && told[0].contains("127.0.0.1:"), "{stderr}");
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_to_be_open() {
    for flag in ["--listen", "--listen-tls"] {
        let refused = common::run(&["serve", flag, "0.0.0.0:0"]);
        let stderr = common::text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("--token-file") && stderr.contains("--open"), "{stderr}");
        let open = Saving::start(&[flag, "0.0.0.0:0", "--open"]);
        wait_for(|| open.stderr().contains("WARNING: listening on 0.0.0.0:"));
    }
    for args in [
        ["--token-file", "/no/such/file"],
        ["--token-file", "/dev/null"],
        ["--host", "a b"],
        ["--allow-origin", "example.org"],
    ] {
        let refused = common::run(&[&["serve"][..], &args].concat());
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {}", common::text(&refused.stderr));
    }
}

#[test]
fn a_web_page_reaches_nothing_by_another_origin_or_name() {
    let serving = Saving::start(&[]);
    fs::write(serving.saved("a"), "secret").unwrap();
    let page = ["-H", "Origin: https://evil.example", "--data", "x"];
    assert_eq!(serving.curl(&page, "/?file=planted").0, 403);
    let (status, text) = serving.curl(&["-H", "Host: evil.example"], "/a");
    assert!(status == 421 && !text.contains("secret"), "{status} {text}");
    assert!(!Path::new(&serving.saved("planted")).exists());
    let port = serving.server.cleartext().rsplit_once(':').unwrap().1.to_owned();
    let named = format!("Host: localhost:{port}");
    assert_eq!(serving.curl(&["-H", &named], "/a"), (200, "secret".into()));
}

/// Returns the lines of the access log, once there are `count` lines.
fn logged(serving: &Saving, count: usize) -> Vec<Value> {
    let lines = || -> Vec<Value> {
        serving.stderr().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    wait_for(|| lines().len() >= count);
    assert_eq!(lines().len(), count, "{}", serving.stderr());
    lines()
}

/// Waits up to 10 s for a condition.
fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the condition never held");
}
