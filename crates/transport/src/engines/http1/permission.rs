//! The server's permission to send the body of a request with `Expect: 100-continue` (RFC 9110 section 10.1.1).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, StatusCode};
use hyper::ext::on_informational;
use tokio::{sync::Notify, time::timeout};

use crate::{Body, ContinueTimeout};

/// The wait for the permission. It ends when status 100 arrives, or with its timeout. A final response ends the whole
/// exchange, and the wait with it.
pub(super) struct Permission(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Permission {
    /// Returns the permission for the body of a request. Without a [`ContinueTimeout`] in the extensions of the
    /// request, the permission is given from the start.
    pub(super) fn of(request: &mut Request<Body>) -> Self {
        let Some(ContinueTimeout(patience)) = request.extensions_mut().remove() else { return Self(None) };
        let heard = Arc::new(Notify::new());
        let given = heard.clone();
        on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                given.notify_one();
            }
        });
        Self(Some(Box::pin(async move {
            // If the server answers nothing in time, the body is sent nevertheless.
            let _ = timeout(patience, heard.notified()).await;
        })))
    }

    /// Waits until the body may be sent.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = &mut self.0 else { return Poll::Ready(()) };
        let is_given = wait.as_mut().poll(cx);
        if is_given.is_ready() {
            self.0 = None;
        }
        is_given
    }
}
