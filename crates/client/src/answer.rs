//! The response of a server: a success with its receipt, or a failure that quotes the response.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::FutureExt as _;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use receiver::Receipt;
use record::{Fault, FaultKind, quoted, redacted_url};
use tokio::time::timeout;
use transport::Body;

use crate::{RequestOptions, Statuses};

/// The largest part of a response that is read as a receipt or a reason, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// The longest wait for the text of a refusal after its status has arrived. Servers send the reason at once if they
/// send one.
const REASON: Duration = Duration::from_secs(2);

/// A failed exchange, with the refusal of the server if it refused.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) refusal: Option<Refusal>,
}

/// A response whose status is not expected, and which therefore ends an exchange.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The target of a redirect, as the server states it; `None` if the response is no redirect.
    pub(crate) location: Option<String>,
    /// The time after which the server asks for another request; `None` if it states none.
    pub(crate) retry_after: Option<Duration>,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { fault, refusal: None }
    }
}

impl From<transport::Error> for Failure {
    fn from(error: transport::Error) -> Self {
        Fault::from(error).into()
    }
}

/// Returns a response whose status is expected.
///
/// # Errors
/// Fails if the status is not expected. The message quotes the status with the first line of the body.
pub(crate) async fn accepted(
    response: Response<Body>,
    expected: &Statuses,
) -> Result<Response<Body>, Failure> {
    let status = response.status();
    if expected.contains(status) {
        return Ok(response);
    }
    let mut message = format!("the server answered {status}");
    let (location, retry_after) = (location(&response), retry_after(response.headers()));
    message += &location.as_deref().map(redirection).unwrap_or_default();
    let (is_longhaul, body) = (is_longhaul(response.headers()), response.into_body());
    // The body of a redirect is not read, because the message states the target. The future is boxed, because rustc
    // cannot prove otherwise that the caller's future is `Send` (rust-lang/rust#110338). rustc loses the fact that the
    // error's trait object is `'static`.
    if location.is_none()
        && let Some(reason) = first_line(body).boxed().await
    {
        message += &format!(": {reason}");
    }
    if !expected.is_default() {
        message += &format!("; expected {expected}");
    }
    message += advice(status, is_longhaul);
    let refusal = Some(Refusal { status, location, retry_after });
    Err(Failure { fault: Fault::new(FaultKind::Http, message), refusal })
}

/// Returns the time that Retry-After states, as a number of seconds or as a date (RFC 9110 section 10.2.3); zero for a
/// date that has passed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    Some(Duration::try_from(date.duration_since(Timestamp::now())).unwrap_or_default())
}

/// Returns the target of a redirect, as the server states it; `None` if the response is no redirect.
fn location(response: &Response<Body>) -> Option<String> {
    let location = response.headers().get(header::LOCATION).filter(|_| response.status().is_redirection())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Returns the target of a redirect that has one of `statuses` and is followed; `None` for any other response.
pub(crate) fn see_other(
    response: &Response<Body>,
    options: &RequestOptions,
    statuses: &[StatusCode],
) -> Option<String> {
    let status = response.status();
    let is_followed = options.max_redirects > 0 && !options.expected.contains(status);
    (is_followed && statuses.contains(&status)).then(|| location(response)).flatten()
}

/// Returns a clause with the target of a redirect, without secrets.
fn redirection(location: &str) -> String {
    format!(" to {}, which is not followed", quoted(&redacted_url(location)))
}

/// Returns whether the response is from `longhaul serve`, according to its header fields.
pub(crate) fn is_longhaul(headers: &HeaderMap) -> bool {
    headers.get(header::SERVER).is_some_and(|server| server.as_bytes().starts_with(b"longhaul"))
}

/// Returns advice on a refusal, for the end of its message; empty if there is none for the status.
fn advice(status: StatusCode, is_longhaul: bool) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "; give credentials by -u USER:PASSWORD, --oauth2-bearer or --token-file",
        StatusCode::MISDIRECTED_REQUEST if is_longhaul => {
            "; start the server with --host NAME, or use one of its names"
        }
        StatusCode::FORBIDDEN if is_longhaul => {
            "; see the server's --token-file, --upload-only, --no-overwrite and --allow-origin"
        }
        StatusCode::LENGTH_REQUIRED => "; announce the length by --content-length",
        _ => "",
    }
}

/// Returns the first line with text in a body, quoted, as far as it arrives in time. `None` if no text arrives.
async fn first_line(mut body: Body) -> Option<String> {
    let mut text = Vec::new();
    let reading = async {
        while text.len() < MAX_TEXT && !text.contains(&b'\n') {
            let Some(Ok(frame)) = body.frame().await else { return };
            text.extend_from_slice(frame.data_ref().map_or(&[], Bytes::chunk));
        }
    };
    // If the line is incomplete when the time has passed, the part that has arrived is quoted.
    let _ = timeout(REASON, reading).await;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(quoted(line))
}

/// Reads a response to its end, and returns the receipt of a longhaul server. `None` for any other response, of any
/// length. Unprintable characters in the receipt are escaped.
///
/// # Errors
/// Fails if the body ends before its announced end.
pub(crate) async fn receipt(response: Response<Body>) -> Result<Option<Receipt>, Failure> {
    let (mut body, mut text) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::new(FaultKind::Truncated, error))?;
        let data = frame.data_ref().map_or(&[][..], Bytes::chunk);
        let room = (MAX_TEXT + 1).saturating_sub(text.len());
        text.extend(data.iter().take(room));
    }
    if text.len() > MAX_TEXT {
        return Ok(None);
    }
    let Ok(mut receipt) = serde_json::from_slice::<Receipt>(&text) else { return Ok(None) };
    receipt.algorithm = quoted(&receipt.algorithm);
    for text in [&mut receipt.digest, &mut receipt.saved] {
        *text = text.as_deref().map(quoted);
    }
    Ok(Some(receipt))
}

#[cfg(test)]
mod tests {
    use transport::body::full;

    use super::*;

    fn response(status: u16, body: impl Into<Bytes>) -> Response<Body> {
        Response::builder().status(status).body(full(body)).unwrap()
    }

    async fn refusal(response: Response<Body>) -> String {
        accepted(response, &Statuses::default()).await.unwrap_err().fault.message
    }

    #[tokio::test]
    async fn a_refusal_quotes_the_first_line_printable_and_cut() {
        let text = refusal(response(500, "\n\u{1b}[31mno\u{202e}\nmore")).await;
        assert_eq!(text, "the server answered 500 Internal Server Error: \\u{1b}[31mno\\u{202e}");
        let text = refusal(response(500, "x".repeat(70_000))).await;
        assert!(text.ends_with(&("x".repeat(200) + "…")), "{text}");
        assert_eq!(refusal(response(404, "")).await, "the server answered 404 Not Found");
    }

    #[tokio::test]
    async fn a_redirect_is_reported_without_secrets() {
        let mut redirect = response(301, "");
        let location = "https://me:pw@x/a?Signature=hunter2".parse().unwrap();
        redirect.headers_mut().insert(header::LOCATION, location);
        let text = refusal(redirect).await;
        let expected = "301 Moved Permanently to https://x/a?Signature=***, which is not followed";
        assert_eq!(text, format!("the server answered {expected}"));
    }

    #[test]
    fn a_time_to_wait_is_a_number_of_seconds_or_a_date() {
        let stated =
            |value: &str| retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(stated("120"), Some(Duration::from_secs(120)));
        assert_eq!(stated("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(stated("Fri, 01 Jan 2100 00:00:00 GMT").unwrap() > Duration::from_secs(1 << 20));
        assert_eq!((stated("soon"), stated("-1")), (None, None));
    }

    #[tokio::test]
    async fn refusals_name_a_remedy_and_the_expected_status() {
        for (status, part) in [(401, "--token-file"), (411, "--content-length")] {
            assert!(refusal(response(status, "")).await.contains(part));
        }
        let mut misdirected = response(421, "");
        misdirected.headers_mut().insert(header::SERVER, "longhaul/0.1.0".parse().unwrap());
        assert!(refusal(misdirected).await.contains("--host NAME"));
        assert!(!refusal(response(421, "")).await.contains("--host"));
        let expected = "201,409".parse().unwrap();
        accepted(response(409, ""), &expected).await.unwrap();
        let failure = accepted(response(200, ""), &expected).await.unwrap_err();
        assert!(failure.fault.message.ends_with("200 OK; expected 201,409"), "{failure:?}");
        assert_eq!(failure.refusal.unwrap().status, StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reason_of_a_refusal_is_not_waited_for_without_end() {
        let frames = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, transport::BodyError>>();
        let body = http_body_util::StreamBody::new(frames).boxed_unsync();
        let endless = Response::builder().status(500).body(body).unwrap();
        assert_eq!(refusal(endless).await, "the server answered 500 Internal Server Error");
    }

    #[tokio::test]
    async fn a_short_response_is_a_receipt_and_a_long_one_is_a_success_without() {
        let text =
            r#"{"bytes":1,"algorithm":"xxh3-128","digest":"\u001b0","saved":"a\u001bb","elapsed_s":0.1}"#;
        let parsed = receipt(response(200, text)).await.unwrap().unwrap();
        assert_eq!(
            (parsed.digest.as_deref(), parsed.saved.as_deref()),
            (Some("\\u{1b}0"), Some("a\\u{1b}b"))
        );
        assert_eq!(receipt(response(200, "thanks")).await.unwrap(), None);
        assert_eq!(receipt(response(200, vec![b' '; 1 << 20])).await.unwrap(), None);
        let long = " ".repeat(64 << 10) + text;
        assert_eq!(receipt(response(200, long)).await.unwrap(), None);
    }
}
