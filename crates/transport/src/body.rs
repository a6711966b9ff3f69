//! The bodies of requests and responses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};

/// A body that is pulled chunk by chunk; it is boxed once per transfer.
///
/// A body whose [`size_hint`](http_body::Body::size_hint) is exact is sent with a Content-Length over HTTP/1.1; any
/// other is chunked, one HTTP/1.1 chunk for each data frame.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// The error that ends a body early. A received body yields an [`Error`](crate::Error).
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The length of a body in bytes, which its sender puts into the extensions of the request or response.
///
/// The raw engine announces this length, since nothing else ends a body there. A body without a stated length counts as
/// empty. HTTP ignores the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLength(pub u64);

/// The time that the body of a request waits for the permission to be sent, if its head has `Expect: 100-continue`. The
/// caller puts it into the extensions of the request. Only HTTP/1.1 waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContinueTimeout(pub Duration);

/// A flag that is set once the body of a request was sent to its end.
///
/// [`Connection::exchange`](crate::Connection::exchange) adds this flag to the extensions of each response, because a
/// response may start, and even end, before the request has ended.
#[derive(Clone, Debug, Default)]
pub struct BodySent(Arc<AtomicBool>);

impl BodySent {
    /// Returns whether the protocol has taken the whole body. Its last bytes may not have reached the peer yet.
    pub fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes that the body has ended.
    pub(crate) fn complete(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns a flag that is already set.
    pub(crate) fn completed() -> Self {
        let sent = Self::default();
        sent.complete();
        sent
    }
}

/// Returns a body without data.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Returns a body of one chunk that is in memory.
pub fn full(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).map_err(|never| match never {}).boxed_unsync()
}
