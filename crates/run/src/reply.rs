//! The evaluation of a server's response to a transfer: a success, or a fault that quotes the response.

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Response;
use http_body_util::{BodyExt as _, Limited};
use record::{Fault, FaultKind};
use transport::Body;

/// The largest response that is read as a receipt or a reason, in bytes.
const MAX_RECEIPT: usize = 64 << 10;

/// Returns a successful response unchanged. A redirect is a fault that names its target, so that the user decides
/// whether to follow it.
///
/// # Errors
/// Fails if the status is not a success. The fault quotes the status and the first line of the body.
pub async fn accepted(response: Response<Body>) -> Result<Response<Body>, Fault> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let location = response.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok());
    let location =
        location.map(|location| format!(" to {location}, which is not followed")).unwrap_or_default();
    let reason = short_body(response).await.unwrap_or_default();
    let reason = String::from_utf8_lossy(&reason);
    let reason = reason.lines().next().map(|line| format!(": {}", line.trim())).unwrap_or_default();
    Err(Fault::new(FaultKind::Http, format!("the server answered {status}{location}{reason}")))
}

/// Returns the whole body of a response that holds a receipt or a reason.
///
/// # Errors
/// Fails if the body broke off or is longer than 64 KiB.
pub async fn short_body(response: Response<Body>) -> Result<Bytes, Fault> {
    // Without the box, rustc cannot prove that the caller's future is `Send`: the compiler forgets that the error's
    // trait object is `'static` (rust-lang/rust#110338).
    let collecting = Limited::new(response.into_body(), MAX_RECEIPT).collect().boxed();
    Ok(collecting.await.map_err(|error| Fault::new(FaultKind::Truncated, error))?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_can_be_read_on_another_thread() {
        fn is_send(_: &impl Send) {}
        is_send(&accepted(Response::new(transport::body::empty())));
        is_send(&short_body(Response::new(transport::body::empty())));
    }
}
