//! Tests of the executor, with shell scripts as workers.

use record::FaultKind;

use super::*;
use crate::{Unobserved, scripts};

const LISTENING: &str = r#"echo '{"listening":{"addr":"127.0.0.1:9","certificate":null}}'; "#;

/// Returns the shell line of an end that has moved all bytes, with a receipt that states `digest`. `stamps` are further
/// fields of the report, such as times.
fn confirmed(digest: &str, stamps: &str) -> String {
    let rest = r#""fault":null,"end":null,"link":null,"sent":[],"handshake_s":null"#;
    format!(r#"echo '{{"done":{{{rest},"received":["{digest}"],"elapsed_s":1.0{stamps}}}}}'; "#)
}

fn case() -> Case {
    let mut case = Case::new("tcp");
    case.body = ByteSize(1000);
    case
}

/// Runs a case of 1,000 bytes with these shell scripts as workers.
async fn run(server: &str, client: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("worker");
    let choose = format!("case \"$job\" in *'\"role\":\"server\"'*) {server} ;; *) {client} ;; esac");
    scripts::write(&program, &format!("#!/bin/sh\nread -r job\n{choose}\n"));
    executor(program).run(&case(), &mut Unobserved).await
}

fn executor(program: PathBuf) -> ProcessExecutor {
    let settings = Settings::new(Duration::from_millis(100));
    ProcessExecutor::of_program(program, settings).prepared_for(&[case()])
}

async fn fault(server: &str, client: &str) -> (FaultKind, String, Option<End>) {
    let fault = run(server, client).await.fault.unwrap();
    (fault.kind, fault.message, fault.end)
}

#[tokio::test]
async fn a_worker_that_dies_is_quoted() {
    let (kind, message, end) = fault("echo out of luck >&2; exit 3", ":").await;
    assert_eq!((kind, end), (FaultKind::Worker, Some(End::Receiver)));
    assert!(message.contains("exit status: 3") && message.contains("out of luck"), "{message}");
    let (kind, message, end) = fault(&format!("{LISTENING} sleep 2"), "kill -9 $$").await;
    assert_eq!((kind, end), (FaultKind::Worker, Some(End::Sender)));
    assert!(message.contains("signal: 9"), "{message}");
}

#[tokio::test]
async fn a_worker_that_prints_rubbish_is_quoted() {
    let (kind, message, _) = fault("echo hello; sleep 2", ":").await;
    assert_eq!(kind, FaultKind::Worker);
    assert!(message.contains("wrote a line that is not an event: 'hello'"), "{message}");
    let (_, message, _) = fault(r#"echo '"ready"'; sleep 2"#, ":").await;
    assert!(message.contains("reported out of turn"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_given_up() {
    let (kind, message, end) = fault("sleep 100", ":").await;
    assert_eq!((kind, end), (FaultKind::Timeout, Some(End::Receiver)));
    assert!(message.contains("was silent for 5.1 s"), "{message}");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_a_fault() {
    let fault = executor("/no/such/program".into()).run(&case(), &mut Unobserved).await.fault.unwrap();
    assert!(fault.message.contains("cannot be started"), "{fault:?}");
}

#[tokio::test]
async fn a_digest_that_differs_is_an_integrity_failure() {
    let expected = executor(PathBuf::new()).digests[&content(&case())].clone();
    let reported = confirmed("unasked", "");
    let server = format!(r#"{LISTENING} echo '"ready"'; read -r go; read -r finish; {reported}"#);
    let client = |digest: &str| format!(r#"echo '"ready"'; read -r go; {}"#, confirmed(digest, ""));

    let outcome = run(&server, &client(&expected)).await;
    assert!(outcome.integrity.unwrap().matches);
    let outcome = run(&server, &client("0123")).await;
    let (fault, integrity) = (outcome.fault.unwrap(), outcome.integrity.unwrap());
    assert_eq!((fault.kind, integrity.matches), (FaultKind::Integrity, false));
    assert_eq!((integrity.sent, integrity.received), (expected, "0123".into()));
}

#[tokio::test]
async fn the_first_byte_is_the_receivers_after_the_start_of_the_client() {
    let run = async |client: &str, server: &str| {
        let done = confirmed("", server);
        let server = format!(r#"{LISTENING} echo '"ready"'; read -r go; read -r finish; {done}"#);
        let client = format!(r#"echo '"ready"'; read -r go; {}"#, confirmed("", client));
        self::run(&server, &client).await.first_byte_s
    };
    let began = r#","began":{"secs":100,"nanos":0},"first_byte":{"secs":100,"nanos":7}"#;
    let received = r#","first_byte":{"secs":100,"nanos":5000000}"#;
    assert_eq!(run(began, received).await, Some(0.005));
    assert_eq!(run(began, "").await, None, "no byte came");
    let before = r#","first_byte":{"secs":99,"nanos":0}"#;
    assert_eq!(run(began, before).await, None, "two clocks");
}

#[tokio::test]
async fn a_worker_has_the_fixed_environment_and_no_other() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (_, message, _) = fault(r#"echo "cargo=$CARGO_MANIFEST_DIR path=$PATH" >&2; exit 3"#, ":").await;
    assert!(message.contains("cargo= path=/usr/local/bin:/usr/bin:/bin"), "{message}");
}

/// Returns an executor whose worker is a shell script in `folder`.
fn scripted(folder: &tempfile::TempDir, script: &str) -> ProcessExecutor {
    let program = folder.path().join("worker");
    scripts::write(&program, &format!("#!/bin/sh\nread -r job\n{script}\n"));
    executor(program)
}

#[tokio::test]
async fn a_server_of_ours_is_ready_without_waiting_and_reports_when_its_client_is_done() {
    let done =
        confirmed("abc", r#","began":{"secs":100,"nanos":0},"first_byte":{"secs":100,"nanos":5000000}"#);
    // The order to begin arrives before the client is connected.
    let script =
        format!(r#"{LISTENING} read -r go; test "$go" = '"go"' && echo '"ready"'; read -r finish; {done}"#);
    let folder = tempfile::tempdir().unwrap();
    let (mut own, addr, certificate) = scripted(&folder, &script).own_server(&case(), "/x").await.unwrap();
    assert_eq!((addr.port(), certificate), (9, None));
    own.ready().await.unwrap();
    own.finish().await.unwrap();
    let report = own.report(&mut Unobserved).await;
    assert_eq!(report.outcome.fault, None);
    assert_eq!(report.received.as_deref(), Some("abc"));
    assert_eq!((report.outcome.first_byte_s, report.began), (Some(0.005), Some(Duration::from_secs(100))));
    own.stop().await;
}

#[tokio::test]
async fn a_client_of_ours_is_told_that_its_server_is_foreign_and_its_failure_is_that_of_its_end() {
    let refused = r#"echo '{"done":{"fault":{"kind":"connect","message":"nobody"},"end":null,"link":null,"sent":[],"received":[],"elapsed_s":null,"handshake_s":null}}'"#;
    let script = format!(r#"case "$job" in *'"partner":"foreign"'*) {refused} ;; esac"#);
    let folder = tempfile::tempdir().unwrap();
    let addr = "127.0.0.1:9".parse().unwrap();
    let mut own = scripted(&folder, &script).own_client(&case(), "/x", addr, None).await.unwrap();
    let fault = own.ready().await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.end, fault.message.as_str()),
        (FaultKind::Connect, Some(End::Sender), "nobody")
    );
}
