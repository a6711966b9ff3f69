//! The fields of RFC 9530.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// The digest of the bytes of a message.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The digest of the whole file. Of an upload both are the same, because its body is the file.
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The values of all fields of a name, as texts.
pub(super) fn values<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Cow<'h, str>> + use<'h> {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
}
