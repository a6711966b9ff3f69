//! The header and trailer fields of RFC 9530.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// The field with the digest of the bytes of a message.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// The field with the digest of the whole file. For an upload both digests are the same, because its body is the file.
pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Returns the values of all fields of a name, as texts.
pub(super) fn values<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Cow<'h, str>> + use<'h> {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
}
