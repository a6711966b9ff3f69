//! The confirmation of an upload: the complete response, and the number of bytes that the peer is known to have.

use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use receiver::Receipt;
use record::{Fault, FaultKind, TransportStats};
use transport::{Body, Link};

use crate::{
    activity::State,
    answer::{Failure, accepted, receipt, see_other},
    transfer::Exchange,
    upload_resource::is_incomplete,
};

/// The complete response to an upload, with the state of the body at that time.
pub(crate) struct Confirmation {
    pub(crate) status: StatusCode,
    /// The number of bytes that were handed over when the response was complete.
    pub(crate) sent: u64,
    /// True if the whole body was handed over.
    pub(crate) is_whole: bool,
    pub(crate) receipt: Option<Receipt>,
    /// The target of a redirect that is to be requested for the confirmation.
    pub(crate) see_other: Option<String>,
}

impl Confirmation {
    /// Sends a request, and reads its response to the end. A redirect with a status in `to_get` leads to a page that
    /// confirms the upload.
    pub(crate) async fn read(
        by: &Exchange<'_>,
        request: Request<Body>,
        to_get: &[StatusCode],
    ) -> Result<Self, Failure> {
        let response = by.connection.exchange(request).await?;
        let see_other = see_other(&response, by.options, to_get);
        let response =
            if see_other.is_some() { response } else { accepted(response, &by.options.expected).await? };
        let status = response.status();
        if is_incomplete(response.headers()) {
            let message = format!("the server answered {status}, but the upload is not complete there");
            return Err(Fault::new(FaultKind::Truncated, message).into());
        }
        // The future is boxed because rustc cannot prove otherwise that it is `Send` (rust-lang/rust#110338).
        let receipt = receipt(response).boxed().await?;
        let sent = by.activity.bytes();
        let is_whole =
            by.activity.state() == State::Complete && unacknowledged(&by.connection.link(), sent).is_none();
        Ok(Self { status, sent, is_whole, receipt, see_other })
    }
}

/// Returns the number of bytes that the peer's kernel or QUIC endpoint is known to have, if it is less than `sent`. The
/// packets of a response also acknowledge all bytes that the server has read.
pub(crate) fn unacknowledged(link: &Link, sent: u64) -> Option<u64> {
    let known = match link.stats.as_ref()? {
        TransportStats::Tcp(stats) => stats.bytes_acked,
        // QUIC does not state the acknowledged bytes, so the bytes of all sent datagrams count.
        TransportStats::Quic(stats) => stats.bytes_sent,
    };
    // A kernel that does not count the bytes states zero.
    Some(known).filter(|known| (1..sent).contains(known))
}
