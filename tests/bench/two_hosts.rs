//! `bench --to`: the servers' ends run on another host, which measures them. Here both hosts are this machine.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use http::{Response, StatusCode};
use metrics::Stamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use transport::{Bind, Identity, listen_secured};

use crate::common::{
    self, Out, assert_all_good, children, longhaul, ports::free_port, records, run, server::Server, text,
    transfer::self_signed, wait,
};

/// The eight rows that are no ceilings, in both directions.
const ALL: [&str; 6] =
    ["--protocol", "tcp,h1c,h2c,tls,h1,h2,quic,h3", "--direction", "both", "--size", "1MiB"];

const QUICK: [&str; 6] = ["--protocol", "h1", "--chunk-size", "64KiB", "--size", "64KiB"];

/// A server that measures, with the files that its clients need.
struct Host {
    folder: tempfile::TempDir,
    server: Server,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = token(folder.path(), "correct-horse", 0o600);
        let server = Server::start(&["--measure", "--listen-tls", "127.0.0.1:0", "--token-file", &token]);
        Self { folder, server }
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.tls())
    }

    fn token(&self) -> String {
        self.folder.path().join("token").display().to_string()
    }

    /// Returns the flags of a bench to this host.
    fn flags(&self) -> [String; 6] {
        let (pin, token) = (self.server.fingerprint().to_owned(), self.token());
        ["--to".into(), self.url(), "--pin".into(), pin, "--token-file".into(), token]
    }

    fn bench(&self, args: &[&str]) -> (Output, Vec<Value>) {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        common::bench(&[&flags[..], args].concat())
    }

    /// Returns the number of workers that run.
    fn workers(&self) -> usize {
        workers(self.server.pid())
    }
}

/// Writes a token with these permissions.
fn token(folder: &Path, token: &str, mode: u32) -> String {
    let path = folder.join("token");
    fs::write(&path, format!("{token}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

fn workers(parent: Pid) -> usize {
    let tasks = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    tasks.split_whitespace().count()
}

#[test]
fn every_row_has_the_records_of_both_hosts_in_both_directions() {
    let host = Host::new();
    let (output, records) = host.bench(&[&ALL[..], &["--chunk-size", "64KiB"]].concat());
    assert_all_good(&output, &records, 16);
    for record in &records {
        let name = &record["case"]["name"];
        for end in ["sender", "receiver"] {
            let memory = &record[end]["memory"];
            assert_eq!(memory["within_budget"], true, "{name} {end}: {memory}");
            assert!(!record[end]["cpu"]["user_s"].is_null(), "{name} {end}");
        }
        assert_eq!(record["peer_host"]["name"], record["host"]["name"]);
        assert_eq!(record["peer_build"], record["build"]);
        assert!(record["core_round_trip"].is_null() && record["delivery"].is_null(), "{name}");
        let is_upload = record["case"]["direction"] == "up";
        assert_eq!(record["first_byte_s"].is_null(), is_upload, "{name}: the receiver's clock");
        assert!(
            record["warnings"]
                .as_array()
                .unwrap()
                .iter()
                .all(|warning| { !warning["name"].as_str().unwrap().starts_with("builds") })
        );
    }
    assert_eq!(host.workers(), 0);
    let stderr = text(&output.stderr);
    assert!(!stderr.contains("correct-horse") && !text(&output.stdout).contains("correct-horse"), "{stderr}");
}

#[test]
fn the_results_name_both_hosts() {
    let (host, out) = (Host::new(), Out::new());
    let (flags, folder) = (host.flags(), out.text());
    let mut args = vec!["bench", "--rounds", "1", "-o", &folder];
    args.extend(flags.iter().map(String::as_str));
    args.extend(QUICK);
    let output = run(&args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("note: the servers' ends run on "), "{stderr}");
    assert!(
        stdout.contains("over a network: the client on ") && stdout.contains(", the server on "),
        "{stdout}"
    );
    let summary = fs::read_to_string(out.path().join("summary.md")).unwrap();
    assert!(summary.contains("- machine of the server: "), "{summary}");
    let page = fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("\"peer_host\":{"));
}

#[test]
fn concurrent_bodies_and_limits_reach_the_other_host() {
    let host = Host::new();
    let shape =
        ["--protocol", "h2,h3", "-P", "2", "--streams", "3", "--size", "256KiB", "--chunk-size", "16KiB"];
    let (output, records) =
        host.bench(&[&shape[..], &["--h2-window", "128KiB", "--affinity", "off"]].concat());
    assert_all_good(&output, &records, 2);
    assert!(records.iter().all(|record| record["host"]["end_cores"] == record["peer_host"]["end_cores"]));
    let limits = &records[0]["case"]["limits"];
    assert_eq!(limits["h2-window"], 128 << 10, "{limits}");
}

/// Runs a bench to a host that must refuse it. Returns what it says on stderr.
fn refused(args: &[&str], code: i32) -> String {
    let out = Out::new();
    let folder = out.text();
    let output = run(&[&["bench", "--quiet", "--rounds", "1", "-o", &folder][..], &QUICK, args].concat());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!out.path().exists(), "a refused session leaves no folder");
    stderr
}

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

/// Returns whether a process has ended, even if nobody has asked for its status.
fn is_gone(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, state)| state.trim_start().starts_with('Z'))
}

/// A bench that runs for as long as the test needs it.
struct Running {
    process: Child,
    out: Out,
}

impl Running {
    /// Starts a bench whose runs take a fifth of a second each.
    fn start(flags: &[&str], rounds: &str) -> Self {
        let out = Out::new();
        let slow = ["--protocol", "h2", "--size", "1MiB", "--chunk-size", "64KiB", "--limit-rate", "5MiB"];
        let own = ["bench", "--rounds", rounds, "-o"];
        let mut command = longhaul(&[&own[..], &[&out.text()], flags, &slow].concat());
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { process, out }
    }

    fn lines(&self) -> usize {
        fs::read_to_string(self.out.path().join("records.jsonl")).unwrap_or_default().lines().count()
    }

    fn end(self) -> (Output, Vec<Value>) {
        let output = self.process.wait_with_output().unwrap();
        (output, self.out.records())
    }
}

#[test]
fn one_session_is_measured_at_a_time_and_an_interrupted_one_leaves_nothing() {
    let host = Host::new();
    let flags = host.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let running = Running::start(&flags, "1000");
    wait(|| running.lines() >= 1 && host.workers() == 1);
    let stderr = refused(&flags, 1);
    assert!(stderr.contains("another session is being measured here"), "{stderr}");
    let own: Vec<_> = children(&running.process);
    kill(Pid::from_raw(running.process.id() as i32), Signal::SIGINT).unwrap();
    let (output, records) = running.end();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(records.iter().all(|record| record["outcome"] == "ok"));
    wait(|| host.workers() == 0);
    wait(|| own.iter().all(|pid| is_gone(*pid)));
    let (output, records) = host.bench(&QUICK);
    assert_all_good(&output, &records, 1);
}

#[test]
fn a_client_that_is_killed_leaves_no_worker() {
    let host = Host::new();
    let flags = host.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut running = Running::start(&flags, "1000");
    wait(|| running.lines() >= 1 && host.workers() == 1);
    running.process.kill().unwrap();
    running.process.wait().unwrap();
    wait(|| host.workers() == 0);
    let (output, records) = host.bench(&QUICK);
    assert_all_good(&output, &records, 1);
}

/// A server that measures, on a port and with a certificate that outlive it.
struct Lasting {
    folder: tempfile::TempDir,
    address: String,
    certificate: PathBuf,
    key: PathBuf,
}

impl Lasting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = self_signed(folder.path());
        token(folder.path(), "correct-horse", 0o600);
        Self { address: format!("127.0.0.1:{}", free_port()), certificate, key, folder }
    }

    fn token(&self) -> String {
        self.folder.path().join("token").display().to_string()
    }

    fn start(&self) -> Server {
        let (certificate, key) = (self.certificate.display().to_string(), self.key.display().to_string());
        let files = ["--cert", &certificate, "--key", &key, "--token-file", &self.token()];
        Server::start(&[&["--measure", "--listen-tls", &self.address][..], &files].concat())
    }

    fn bench(&self, server: &Server, rounds: &str) -> Running {
        let (url, token) = (format!("https://{}", self.address), self.token());
        Running::start(&["--to", &url, "--pin", server.fingerprint(), "--token-file", &token], rounds)
    }
}

#[test]
fn a_server_that_is_killed_costs_one_record() {
    let lasting = Lasting::new();
    let server = lasting.start();
    let running = lasting.bench(&server, "8");
    wait(|| running.lines() >= 2 && workers(server.pid()) == 1);
    server.stop(Signal::SIGKILL);
    wait(|| running.lines() >= 3);
    let server = lasting.start();
    let (output, records) = running.end();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(records.len(), 8, "{stderr}");
    let failed: Vec<_> = records.iter().filter(|record| record["outcome"] == "error").collect();
    assert_eq!(failed.len(), 1, "{stderr}");
    let error = &failed[0]["error"];
    assert_eq!(
        (error["kind"].as_str(), error["end"].as_str()),
        (Some("worker"), Some("receiver")),
        "{error}"
    );
    assert!(error["message"].as_str().unwrap().contains("the receiver is lost"), "{error}");
    assert!(!failed[0]["peer_host"].is_null());
    assert_eq!(workers(server.pid()), 0);
}

#[test]
fn a_server_that_is_stopped_ends_its_run_and_leaves_nothing() {
    let lasting = Lasting::new();
    let server = lasting.start();
    let running = lasting.bench(&server, "1000");
    wait(|| running.lines() >= 1 && workers(server.pid()) == 1);
    let began = Stamp::now();
    assert_eq!(server.stop(Signal::SIGTERM), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "a run of a fifth of a second may end, no more");
    kill(Pid::from_raw(running.process.id() as i32), Signal::SIGINT).unwrap();
    let (output, records) = running.end();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(records.iter().all(|record| record["outcome"] == "ok"), "the run under way ended well");
}

/// Runs a bench between two network namespaces: `$1` is the program, `$2` a folder, and the rest are flags of bench.
/// Everything ends with the script.
const BETWEEN_NAMESPACES: &str = r#"
set -e
program=$1 folder=$2 address=$3
shift 3
unshare --net sleep 120 & there=$!
trap 'kill $there $server 2>/dev/null' EXIT
while [ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
in_there() { nsenter --target $there --net -- "$@"; }
ip link add client type veth peer name server netns $there
ip address add 10.77.0.1/24 dev client
ip address add fd77::1/64 dev client nodad
ip link set client up
in_there ip address add 10.77.0.2/24 dev server
in_there ip address add fd77::2/64 dev server nodad
in_there ip link set server up
[ "$program" = none ] && exit
nsenter --target $there --net -- "$program" serve --measure --listen-tls "$address" --token-file "$folder/token" > "$folder/announced" & server=$!
while ! [ -s "$folder/announced" ]; do sleep 0.05; done
pin=$(sed 's/.*"fingerprint":"\([^"]*\)".*/\1/' "$folder/announced")
"$program" bench --json --quiet --rounds 1 -o "$folder/results" --to "https://$address" --pin "$pin" \
    --token-file "$folder/token" "$@"
"#;

/// Returns the output of the script; `None`, with a message, if this user may not make namespaces.
fn between_namespaces(address: &str, args: &[&str]) -> Option<(Output, Vec<Value>)> {
    let folder = tempfile::tempdir().unwrap();
    token(folder.path(), "correct-horse", 0o600);
    let script = |program: &str| {
        let id = Command::new("id").arg("-u").output().unwrap();
        let is_root = id.stdout.trim_ascii() == b"0";
        let words = if is_root { vec!["--net"] } else { vec!["--net", "--map-root-user"] };
        let mut command = Command::new("timeout");
        command.args(["120", "unshare"]).args(words).args(["sh", "-c", BETWEEN_NAMESPACES, "sh"]);
        command.args([program, folder.path().to_str().unwrap(), address]).args(args).output().unwrap()
    };
    let tried = script("none");
    if !tried.status.success() {
        let reason = text(&tried.stderr);
        common::skip(&format!(
            "no two network namespaces here: {}",
            reason.lines().last().unwrap_or_default()
        ));
        return None;
    }
    let output = script(env!("CARGO_BIN_EXE_longhaul"));
    let printed = records(&text(&output.stdout));
    Some((output, printed))
}

/// Checks runs whose packets cannot have gone over loopback.
fn assert_over_network(address: &str, server: &str) {
    let args = [&ALL[..], &["--chunk-size", "64KiB"]].concat();
    let Some((output, records)) = between_namespaces(address, &args) else { return };
    assert_all_good(&output, &records, 16);
    for record in &records {
        assert_eq!(record["link"]["address"], server, "{}", record["case"]["name"]);
        let mtu = record["link"]["mtu"].as_u64();
        assert!(mtu.is_none_or(|mtu| mtu <= 1500), "{mtu:?}: loopback has larger packets");
    }
}

#[test]
fn both_ends_are_measured_between_two_namespaces_over_ipv4() {
    assert_over_network("10.77.0.2:8434", "10.77.0.2");
}

#[test]
fn both_ends_are_measured_between_two_namespaces_over_ipv6() {
    assert_over_network("[fd77::2]:8434", "fd77::2");
}
