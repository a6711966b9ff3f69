//! What a client makes of a server's reply: success, or a fault that quotes it.

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Limited};
use transport::Body;

use crate::record::{Fault, FaultKind, fault};

/// The most that is read of a response which should be a receipt, in bytes.
const MAX_RECEIPT: usize = 64 << 10;

/// Passes a successful response on; of another, the fault says what the server said. Redirects are not
/// followed: where to must be seen.
pub(crate) async fn accepted(response: Response<Body>) -> Result<Response<Body>, Fault> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let location = response.headers().get(http::header::LOCATION).and_then(|value| value.to_str().ok());
    let location =
        location.map(|location| format!(" to {location}, which is not followed")).unwrap_or_default();
    let reason = text(response).await.unwrap_or_default();
    let reason = String::from_utf8_lossy(&reason);
    let reason = reason.lines().next().map(|line| format!(": {}", line.trim())).unwrap_or_default();
    Err(fault(FaultKind::Http, format!("the server answered {status}{location}{reason}")))
}

/// The text of a short response, a receipt or a reason.
pub(crate) async fn text(response: Response<Body>) -> Result<Bytes, Fault> {
    let collected = Limited::new(response.into_body(), MAX_RECEIPT).collect().await;
    Ok(collected.map_err(|error| fault(FaultKind::Truncated, error))?.to_bytes())
}
