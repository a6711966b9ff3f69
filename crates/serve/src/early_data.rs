//! Requests that were sent in early data of TLS, to this server or on an earlier hop (RFC 8470).

use http::{HeaderName, Method, StatusCode, request::Parts};
use transport::InEarlyData;

use crate::refusal::Refusal;

/// The field by which a proxy marks a request that reached it in early data (RFC 8470 section 5.1).
const EARLY_DATA: HeaderName = HeaderName::from_static("early-data");

/// Checks that an attacker can do no harm by repeating a request. Its method must be safe, or the request must not have
/// been sent in early data, neither to this server nor to a proxy. Waiting for the handshake of this connection would
/// not make a proxy's request safe.
///
/// # Errors
/// Fails if the method is not safe (425). The client then repeats the request without early data.
pub(crate) fn check(request: &Parts) -> Result<(), Refusal> {
    // Any value counts as 1 (RFC 8470 section 5.1).
    let is_safe = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let came_early =
        request.headers.contains_key(EARLY_DATA) || request.extensions.get::<InEarlyData>().is_some();
    if is_safe || !came_early {
        return Ok(());
    }
    let reason =
        format!("{} came in early data, which an attacker can repeat; send it again", request.method);
    Err(Refusal::new(StatusCode::TOO_EARLY, reason))
}
