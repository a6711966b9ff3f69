//! Tests of uploads that a server refuses for the form of their request, and whose content can be read only once.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
    sync::mpsc::Receiver,
    time::Duration,
};

use crate::common::raw::{fault, heads, impatient, response, serve, transfer};
use longhaul_client::{Form, FormField, RequestOptions, Upload};
use record::{ByteSize, PayloadKind};

const CANNOT: &str = "cannot be read from its start again";

#[tokio::test]
async fn content_that_can_be_read_only_once_is_not_sent_again_with_a_length() {
    for status in ["411 Length Required", "501 Not Implemented"] {
        let (sender, requests) = heads();
        let url = serve(move |mut client, _| {
            sender.send(client.head()).unwrap();
            client.chunked();
            client.send(response(status, &["connection: close"], ""));
        });
        let device = Upload::new(PayloadKind::File("/dev/zero".into())).unwrap();
        let fault = fault(&url, device.with_size(ByteSize(5)).unwrap()).await;
        assert!(fault.message.contains(status) && fault.message.contains(CANNOT), "{fault:?}");
        assert_eq!(requests.try_iter().count(), 1);
    }
}

/// The environment variable with the URL for the child process of a test, whose standard input has five bytes.
const STDIN_URL: &str = "LONGHAUL_TEST_STDIN_URL";

/// Starts a server that refuses the expectation of each request that has one, after the body if that is `taken`. The
/// receiver gets the lengths of the bodies.
fn refusing_expectations(taken: bool) -> (String, Receiver<usize>) {
    let (sender, bodies) = std::sync::mpsc::channel();
    let url = serve(move |mut client, _| {
        let is_expecting = client.head().iter().any(|line| line == "expect: 100-continue");
        if taken || !is_expecting {
            sender.send(client.chunked()).unwrap();
        }
        let status = if is_expecting { "417 Expectation Failed" } else { "200 OK" };
        client.send(response(status, &["connection: close"], ""));
    });
    (url, bodies)
}

/// Makes the test again in a child process whose standard input has five bytes. Returns whether it passes there.
async fn passes_with_input(test: &str, url: String) -> bool {
    let mut child = Command::new(env::current_exe().unwrap());
    let mut child = child
        .args(["--exact", &format!("repeated_uploads::{test}")])
        .env(STDIN_URL, url)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"abcde").unwrap();
    tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap().success()
}

/// Sends an upload that waits for its permission, and returns the message of the fault.
async fn refused(url: &str, upload: Upload, patience: Duration) -> Option<String> {
    let request = RequestOptions::default().with_continue_timeout(patience);
    let record = transfer(impatient().with_request(request), url, upload).await.record;
    record.error.map(|fault| fault.message)
}

#[tokio::test]
async fn standard_input_that_was_not_read_is_sent_after_a_refused_expectation() {
    if let Ok(url) = env::var(STDIN_URL) {
        let input = Upload::new(PayloadKind::Stdin).unwrap();
        assert_eq!(refused(&url, input, Duration::from_secs(60)).await, None);
        return;
    }
    let (url, bodies) = refusing_expectations(false);
    let name = "standard_input_that_was_not_read_is_sent_after_a_refused_expectation";
    assert!(passes_with_input(name, url).await);
    assert_eq!(bodies.try_iter().collect::<Vec<_>>(), [5]);
}

#[tokio::test]
async fn standard_input_that_was_read_is_not_sent_after_a_refused_expectation() {
    if let Ok(url) = env::var(STDIN_URL) {
        let input = Upload::new(PayloadKind::Stdin).unwrap();
        let message = refused(&url, input, Duration::from_millis(50)).await.unwrap();
        assert!(message.contains("417") && message.contains(CANNOT), "{message}");
        return;
    }
    let (url, bodies) = refusing_expectations(true);
    let name = "standard_input_that_was_read_is_not_sent_after_a_refused_expectation";
    assert!(passes_with_input(name, url).await);
    assert_eq!(bodies.try_iter().collect::<Vec<_>>(), [5]);
}

#[tokio::test]
async fn a_form_is_sent_again_only_if_its_parts_allow_it() {
    for (taken, is_sent_again) in [(false, true), (true, false)] {
        let (url, bodies) = refusing_expectations(taken);
        // The length of a form with a device is unknown. This device is empty, and can still be read only once.
        let field = FormField::parse("a=@/dev/null".as_ref()).unwrap();
        let form = Upload::form(Form::new([field]).unwrap());
        let message = refused(&url, form, Duration::from_millis(if taken { 50 } else { 60_000 })).await;
        assert_eq!(message.is_none(), is_sent_again, "{message:?}");
        assert_eq!(bodies.try_iter().count(), 1);
    }
}
