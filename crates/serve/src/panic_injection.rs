//! Panics on request, for the tests of what a panic ends. Compiled with the feature `panic-injection` only.

use http::HeaderMap;

/// The header that asks for a panic: of the `request` or of the whole `connection`.
const HEADER: &str = "longhaul-panic";

/// Panics if the headers of a request ask for it at this place.
#[allow(clippy::panic, reason = "this is what the module is for")]
pub(crate) fn strike(headers: &HeaderMap, place: &str) {
    if headers.get(HEADER).is_some_and(|value| value == place) {
        panic!("injected into a {place}");
    }
}
