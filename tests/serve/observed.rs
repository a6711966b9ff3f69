//! The figures of a server for Prometheus, its structured log, and the identifiers of requests.

use std::{
    collections::HashMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{assert_success, http, run, server::Server, text, wait};

/// Sends a request to an address, and returns the response.
fn ask(addr: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response);
    response
}

fn get(addr: &str, target: &str, fields: &str) -> String {
    ask(addr, &format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n"))
}

fn metrics_addr(server: &Server) -> String {
    server.listening["metrics"].as_str().unwrap().to_owned()
}

/// Returns the figures of a server by name and labels.
fn figures(server: &Server) -> HashMap<String, f64> {
    let response = get(&metrics_addr(server), "/metrics", "");
    let (head, page) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Checks the form of the page: each metric has one HELP and one TYPE before its samples, and a name by the conventions.
fn check_form(page: &str) {
    let mut described = Vec::new();
    let mut kind = HashMap::new();
    for line in page.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                assert!(!help.is_empty() && !described.contains(&name.to_owned()), "{line}");
                described.push(name.to_owned());
            }
            ["#", "TYPE", name, what] => {
                assert_eq!(described.last().unwrap(), name);
                assert_eq!(what == "counter", name.ends_with("_total"), "{line}");
                kind.insert(name.to_owned(), what.to_owned());
            }
            _ => {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(described.last().unwrap(), name, "{line}");
                assert!(kind.contains_key(name), "{line}");
                assert!(name.starts_with("longhaul_") || name.starts_with("process_"), "{line}");
            }
        }
    }
    assert!(kind.len() >= 18, "{kind:?}");
}

#[test]
fn transfers_are_counted_by_protocol_and_refusals_by_reason() {
    let server = Server::start(&["--metrics", "127.0.0.1:0", "--max-body", "64KiB"]);
    let before = figures(&server);
    for protocol in http() {
        assert_success(&server.client("send", protocol.name, "/up", &["--size", "50000"]));
        assert_success(&server.client("fetch", protocol.name, "/?size=30000", &[]));
    }
    wait(|| {
        http().all(|row| {
            figures(&server)[&format!("longhaul_requests_open{{protocol=\"{}\"}}", row.name)] == 0.0
        })
    });
    let moved = figures(&server);
    for protocol in http() {
        let of = |name: &str| {
            let name = format!("{name}{{protocol=\"{}\"}}", protocol.name);
            moved[&name] - before[&name]
        };
        assert_eq!(of("longhaul_body_received_bytes_total"), 50_000.0, "{}", protocol.name);
        assert!(of("longhaul_body_sent_bytes_total") >= 30_000.0, "{}", protocol.name);
        assert_eq!(of("longhaul_requests_total"), 2.0, "{}", protocol.name);
    }
    assert!(get(server.cleartext(), "/none", "").starts_with("HTTP/1.1 404"));
    assert!(!server.client("send", "h2", "/up", &["--size", "100000", "--content-length"]).status.success());
    wait(|| figures(&server)["longhaul_requests_open{protocol=\"h2\"}"] == 0.0);
    let after = figures(&server);
    let grown = |name: &str| after[name] - before.get(name).copied().unwrap_or_default();
    assert_eq!(grown("longhaul_requests_refused_total{reason=\"not_found\"}"), 1.0);
    assert_eq!(grown("longhaul_requests_refused_total{reason=\"payload_too_large\"}"), 1.0);
    assert_eq!(grown("longhaul_responses_total{code=\"404\"}"), 1.0);
    assert!(grown("longhaul_connections_accepted_total") >= 11.0);
    assert_eq!(after["longhaul_connections_limit"], 1024.0);
    assert!(after["longhaul_memory_worst_case_bytes"] > after["process_resident_memory_bytes"]);
    assert!(after["process_resident_memory_bytes"] > f64::from(1 << 20));
    assert!(after["process_cpu_seconds_total"] > before["process_cpu_seconds_total"]);
    assert!(after["longhaul_window_budget_bytes{direction=\"receive\"}"] > 0.0);
    check_form(get(&metrics_addr(&server), "/metrics", "").split_once("\r\n\r\n").unwrap().1);
    // Scrapes are no requests of the server.
    assert_eq!(
        figures(&server)["longhaul_requests_total{protocol=\"h1c\"}"],
        after["longhaul_requests_total{protocol=\"h1c\"}"]
    );
}

/// Returns the names of metrics in a text.
fn names(text: &str) -> std::collections::BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("longhaul_") || word.starts_with("process_")).collect()
}

#[test]
fn the_dashboard_and_the_documentation_name_the_metrics_that_exist() {
    let server = Server::start(&["--metrics", "127.0.0.1:0"]);
    get(server.cleartext(), "/none", "");
    let page = get(&metrics_addr(&server), "/metrics", "");
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (dashboard, documentation) =
        (read("deploy/grafana/longhaul-serve.json"), read("docs/reference/serve.md"));
    let (exist, documented) = (names(&page), names(&documentation));
    assert_eq!(names(&dashboard).difference(&exist).collect::<Vec<_>>(), [""; 0].iter().collect::<Vec<_>>());
    assert_eq!(documented, exist);
}

#[test]
fn a_running_transfer_is_open() {
    let server = Server::start(&["--metrics", "127.0.0.1:0"]);
    let mut upload = TcpStream::connect(server.cleartext()).unwrap();
    upload.write_all(b"PUT /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nabc").unwrap();
    let open = || figures(&server)["longhaul_requests_open{protocol=\"h1c\"}"];
    wait(|| open() == 1.0 && figures(&server)["longhaul_body_received_bytes_total{protocol=\"h1c\"}"] == 3.0);
    assert!(figures(&server)["longhaul_connections_open"] >= 1.0);
    drop(upload);
    wait(|| open() == 0.0);
}

#[test]
fn the_port_of_figures_answers_nothing_else() {
    let server = Server::start(&["--metrics", "127.0.0.1:0"]);
    let addr = metrics_addr(&server);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
        ("GET /?size=1GiB HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nabcde", 405),
        ("PUT /file HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nabcde", 404),
        ("GET /metrics HTTP/1.1\r\nhost: evil.example\r\n\r\n", 421),
        ("GET /metrics HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n\r\n", 403),
        ("HEAD /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", 200),
    ] {
        let response = ask(&addr, request);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{request} {response}");
    }
    let large = format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    assert!(ask(&addr, &large).starts_with("HTTP/1.1 431"));
    assert!(get(server.cleartext(), "/metrics", "").starts_with("HTTP/1.1 404"), "not among the transfers");
    // Connections that ask for nothing do not keep others out for good, and their number is bounded.
    let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&addr).unwrap()).collect();
    wait(|| idle.iter().filter(|stream| is_closed(stream)).count() >= 12);
    drop(idle);
    wait(|| get(&addr, "/metrics", "").starts_with("HTTP/1.1 200"));
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.peek(&mut [0]), Ok(0))
        || stream.peek(&mut [0]).is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
}

#[test]
fn figures_beyond_loopback_need_a_token_or_the_flag() {
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--metrics", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("other machines can reach 0.0.0.0:0"),
        "{}",
        text(&refused.stderr)
    );
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "correct-horse-battery\n").unwrap();
    let server = Server::start(&["--metrics", "127.0.0.1:0", "--token-file", token.to_str().unwrap()]);
    let addr = metrics_addr(&server);
    assert!(get(&addr, "/metrics", "").starts_with("HTTP/1.1 401"));
    assert!(get(&addr, "/metrics", "authorization: Bearer wrong\r\n").starts_with("HTTP/1.1 401"));
    let right = get(&addr, "/metrics", "authorization: Bearer correct-horse-battery\r\n");
    assert!(right.starts_with("HTTP/1.1 200"), "{right}");
}

/// Returns the lines on stderr of a server, each of which must be an object.
fn objects(stderr: &Path) -> Vec<Value> {
    fs::read_to_string(stderr).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn everything_on_stderr_is_json_and_a_refused_request_has_one_identifier_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let stderr = folder.path().join("stderr");
    let saved = format!("save:{}", folder.path().join("new").display());
    let args = ["--log-format", "json", "--verbose", "--access-log", "--sink", &saved];
    let server = Server::start_with_stderr(&args, &stderr);
    let response = get(server.cleartext(), "/no-such-file", "");
    let id = response.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
    assert!(response.starts_with("HTTP/1.1 404"), "{response}");
    assert!(!get(server.cleartext(), "/", "").contains("x-request-id"), "only refusals have it");
    let malformed = server.raw(b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n");
    assert!(malformed.starts_with("HTTP/1.1 400"), "{malformed}");
    wait(|| fs::read_to_string(&stderr).unwrap().matches("\"request\"").count() >= 5);
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    let lines = objects(&stderr);
    let of_request: Vec<&Value> = lines.iter().filter(|line| line["request"] == *id).collect();
    assert_eq!(of_request.len(), 2, "{of_request:?}");
    let (access, logged) = match of_request[..] {
        [a, b] if a["target"] == "/no-such-file" => (a, b),
        [b, a] => (a, b),
        _ => panic!("{of_request:?}"),
    };
    assert_eq!((&access["status"], &logged["status"]), (&404.into(), &404.into()));
    assert_eq!((&logged["level"], &logged["protocol"]), (&"DEBUG".into(), &"h1c".into()));
    let ids: Vec<&str> =
        lines.iter().filter_map(|line| line["time"].as_str().and(line["request"].as_str())).collect();
    assert_eq!(
        ids.iter().collect::<std::collections::HashSet<_>>().len(),
        3,
        "each line has its own: {ids:?}"
    );
    let said = |part: &str| {
        lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains(part)))
    };
    assert!(said("memory: at most") && said("created the folder") && said("stopping"), "{lines:?}");
}

#[test]
fn the_error_that_ends_a_server_is_json_as_well() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    for (flags, code, part) in [
        (["--listen", &taken], 1, format!("cannot listen on {taken}: ")),
        (["--token-file", "/no/such/file"], 2, "cannot read the token from /no/such/file".into()),
    ] {
        let output = run(&[&["serve", "--log-format", "json"][..], &flags].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        let lines: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{stderr}");
        assert!(last["message"].as_str().unwrap().starts_with(&part), "{stderr}");
    }
}
