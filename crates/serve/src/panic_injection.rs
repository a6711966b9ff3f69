//! Panics on request, for tests of their consequences. Compiled with the feature `panic-injection` only.

use http::HeaderMap;

/// The header that asks for a panic. Its value names the place: `request` or `connection`.
const HEADER: &str = "longhaul-panic";

/// Panics if the headers of a request ask for a panic at `place`.
#[allow(clippy::panic, reason = "this is what the module is for")]
pub(crate) fn strike(headers: &HeaderMap, place: &str) {
    if headers.get(HEADER).is_some_and(|value| value == place) {
        panic!("injected into a {place}");
    }
}
