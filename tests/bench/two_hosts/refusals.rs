//! Sessions that the other host refuses, and flags that do not fit.

use http::{Response, StatusCode};
use transport::{Bind, Identity, listen_secured};

use super::{Host, QUICK, refused, token};
use crate::common::{self, assert_all_good, ports::free_port, run, server::Server, text};

#[test]
fn a_wrong_token_and_a_wrong_certificate_are_refused() {
    let (host, folder) = (Host::new(), tempfile::tempdir().unwrap());
    let (url, pin) = (host.url(), host.server.fingerprint().to_owned());
    let wrong = token(folder.path(), "wrong-horse", 0o644);
    let stderr = refused(&["--to", &url, "--pin", &pin, "--token-file", &wrong], 1);
    assert!(stderr.contains("401 Unauthorized: the token is wrong") && stderr.contains(&url), "{stderr}");
    assert!(stderr.contains("WARNING: other users may read ") && !stderr.contains("wrong-horse"), "{stderr}");
    let stderr = refused(&["--to", &url, "--pin", &pin], 1);
    assert!(stderr.contains("401 Unauthorized: this server needs a token"), "{stderr}");
    let other = format!("sha256:{}", "0".repeat(64));
    let stderr = refused(&["--to", &url, "--pin", &other, "--token-file", &host.token()], 1);
    assert!(stderr.contains("handshake failed") && stderr.contains("certificate"), "{stderr}");
    let stderr = refused(&["--to", &url, "--token-file", &host.token()], 1);
    assert!(stderr.contains("handshake failed"), "{stderr}");
    assert_eq!(host.workers(), 0);
}

#[test]
fn a_server_that_does_not_measure_says_so() {
    let server = Server::start(&["--listen-tls", "127.0.0.1:0"]);
    let url = format!("https://{}", server.tls());
    let stderr = refused(&["--to", &url, "--pin", server.fingerprint()], 1);
    assert!(stderr.contains("404 Not Found: this server does not measure"), "{stderr}");
    let nobody = format!("https://127.0.0.1:{}", free_port());
    let stderr = refused(&["--to", &nobody, "--insecure"], 1);
    assert!(stderr.contains("cannot connect"), "{stderr}");
}

#[test]
fn sessions_come_over_tls_and_name_their_version() {
    let folder = tempfile::tempdir().unwrap();
    let token = token(folder.path(), "correct-horse", 0o600);
    let ports = ["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"];
    let server = Server::start(&[&["--measure", "--token-file", &token][..], &ports].concat());
    let post = |protocol: &str, args: &[&str]| {
        let all = [&["-X", "POST", "--size", "0", "--token-file", &token][..], args].concat();
        let output = server.client("send", protocol, "/.longhaul/sessions", &all);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let version = format!("longhaul-control: {}", run::CONTROL_VERSION);
    let stderr = post("h1c", &["-H", &version]);
    assert!(stderr.contains("403 Forbidden: sessions that measure come over TLS only"), "{stderr}");
    let stderr = post("h1", &["-H", "longhaul-control: 99"]);
    assert!(
        stderr.contains("speaks version 1 of the control messages (longhaul-control), not 99"),
        "{stderr}"
    );
    let stderr = post("h3", &[]);
    assert!(stderr.contains("not an unnamed one"), "{stderr}");
}

/// Answers every request on a port for TLS with this response.
fn answering(response: fn() -> Response<transport::Body>) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let identity = Identity::self_signed(&["localhost"]).unwrap();
            let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(Some(identity));
            let listener = listen_secured(&bind, &record::Limits::default()).unwrap();
            sender.send(listener.local_addr()).unwrap();
            let session = listener.accept().await.unwrap().handshake.await.unwrap();
            while let Ok(Some(incoming)) = session.accept().await {
                let _ = incoming.responder.respond(response()).await;
            }
        });
    });
    format!("https://{}", receiver.recv().unwrap())
}

#[test]
fn another_version_of_the_control_messages_is_wrong_usage() {
    let url = answering(|| {
        let head = Response::builder().status(StatusCode::BAD_REQUEST).header("longhaul-control", "2");
        head.body(transport::body::full("no")).unwrap()
    });
    let stderr = refused(&["--to", &url, "--insecure"], 2);
    assert!(stderr.contains("it speaks version 2") && stderr.contains("this program version 1"), "{stderr}");
    let url = answering(|| Response::new(transport::body::full("<html>")));
    let stderr = refused(&["--to", &url, "--insecure"], 1);
    assert!(stderr.contains("is no `longhaul serve --measure`"), "{stderr}");
}

#[test]
fn flags_that_do_not_fit_are_refused_before_anything_starts() {
    for (args, part) in [
        (&["--to", "http://127.0.0.1:1"][..], "use https://HOST:PORT"),
        (&["--to", "https://127.0.0.1:1/a"], "use https://HOST:PORT"),
        (&["--to", "https://127.0.0.1:1", "--settle", "1s"], "--settle: not with --to"),
        (&["--to", "https://127.0.0.1:1", "--address", "127.0.0.1"], "--address: not with --to"),
        (&["--to", "https://127.0.0.1:1", "--payload", "file:/etc/passwd"], "--payload: not with --to"),
        (&["--to", "https://127.0.0.1:1", "--sink", "save:/tmp"], "--sink: not with --to"),
        (&["--to", "https://127.0.0.1:1", "--token-file", "/no/such/file"], "--token-file /no/such/file"),
        (&["--insecure"], "are for the host of --to"),
        (&["--token-file", "/etc/hostname"], "are for the host of --to"),
    ] {
        let output = run(&[&["bench", "--protocol", "tcp", "--quiet"][..], args].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    for (args, part) in [
        (&["--measure"][..], "protect it with --token-file"),
        (&["--measure", "--open", "--listen-tls", "0.0.0.0:0"], "protect it with --token-file"),
        (&["--measure", "--open", "--listen", "127.0.0.1:0"], "add --listen-tls"),
    ] {
        let output = run(&[&["serve"][..], args].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    let server = Server::start(&["--measure", "--open", "--listen-tls", "127.0.0.1:0"]);
    let (url, pin) = (format!("https://{}", server.tls()), server.fingerprint());
    let (output, records) = common::bench(&[&["--to", &url, "--pin", pin][..], &QUICK].concat());
    assert_all_good(&output, &records, 1);
}

#[test]
fn an_end_that_the_other_host_refuses_is_a_failed_run() {
    let host = Host::new();
    let greedy = ["-P", "480", "--streams", "1024", "--chunk-size", "64MiB", "--direction", "down"];
    let window = ["--protocol", "h2", "--size", "1KiB", "--h2-send-buffer", "64MiB"];
    let (output, records) = host.bench(&[&greedy[..], &window].concat());
    assert_eq!(output.status.code(), Some(1));
    let error = &records[0]["error"];
    assert_eq!((error["kind"].as_str(), error["end"].as_str()), (Some("worker"), Some("sender")), "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("refused the run: the sender may take "), "{message}");
    let (output, records) = host.bench(&QUICK);
    assert_all_good(&output, &records, 1);
}
