//! One exchange: a request, and the response to it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use http::{HeaderMap, Method, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use tracing::debug;
use transport::{Body, Error, Responder};

use super::{
    access_log::Line,
    counted::{Counted, Direction},
    counters::Counters,
    request_id::{RequestId, X_REQUEST_ID},
    served::Served,
};
use crate::{refusal::Reason, response};

/// The state of an exchange, which is counted and logged once its request and response are dropped.
pub(super) struct Exchange {
    id: RequestId,
    counters: Arc<Counters>,
    served: Arc<Served>,
    received: AtomicU64,
    sent: AtomicU64,
    answer: Mutex<Answer>,
    line: Option<Line>,
}

#[derive(Clone, Default)]
struct Answer {
    status: Option<StatusCode>,
    /// The reason of a refusal, if the request was refused.
    reason: Option<String>,
    /// The length of the response's body in bytes, if it is known.
    length: Option<u64>,
    /// True if the whole response was handed to the connection.
    whole: bool,
}

impl Exchange {
    pub(super) fn new(
        id: RequestId,
        counters: Arc<Counters>,
        served: Arc<Served>,
        line: Option<Line>,
    ) -> Self {
        served.requests.fetch_add(1, Relaxed);
        Self {
            id,
            counters,
            served,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            answer: Mutex::default(),
            line,
        }
    }

    pub(super) fn count(&self, direction: Direction, bytes: usize) {
        let (own, all) = match direction {
            Direction::Received => (&self.received, &self.served.received),
            Direction::Sent => (&self.sent, &self.served.sent),
        };
        own.fetch_add(bytes as u64, Relaxed);
        all.fetch_add(bytes as u64, Relaxed);
    }

    /// Notes that the whole response was handed to the connection.
    pub(super) fn sent_all(&self) {
        self.with_answer(|answer| answer.whole = true);
    }

    fn with_answer(&self, change: impl FnOnce(&mut Answer)) {
        change(&mut self.answer.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let answer = self.answer.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.counters.end(&self.served, answer.status);
        let (received, sent) = (self.received.load(Relaxed), self.sent.load(Relaxed));
        let status = answer.status.map(|status| status.as_u16());
        debug!(request = %self.id, protocol = self.served.name(), status, received, sent, "an exchange is over");
        let Some(line) = self.line.take() else { return };
        let whole = answer.whole || answer.length.is_some_and(|length| sent >= length);
        let cut = match answer.status {
            None => Some("no response was sent"),
            Some(_) if !whole => Some("the response was cut off"),
            Some(_) => None,
        };
        let reason = answer.reason.take().or(cut.map(str::to_owned));
        line.write(answer.status, received, sent, reason);
    }
}

/// A responder that adds fields to the response and observes it.
pub(super) struct ObservedResponder {
    inner: Box<dyn Responder>,
    exchange: Arc<Exchange>,
    fields: HeaderMap,
    head_only: bool,
}

impl ObservedResponder {
    pub(super) fn new(
        inner: Box<dyn Responder>,
        exchange: Arc<Exchange>,
        request: &Parts,
        fields: HeaderMap,
    ) -> Self {
        Self { inner, exchange, fields, head_only: request.method == Method::HEAD }
    }
}

#[async_trait]
impl Responder for ObservedResponder {
    async fn inform(&mut self, head: Response<()>) -> Result<bool, Error> {
        self.inner.inform(head).await
    }

    async fn respond(self: Box<Self>, mut response: Response<Body>) -> Result<(), Error> {
        let Self { inner, exchange, fields, head_only } = *self;
        response.headers_mut().extend(fields);
        let announced = response.headers().get(header::CONTENT_LENGTH);
        let length = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        let reason = response.extensions_mut().remove::<Reason>().map(|reason| reason.0);
        if head_only {
            response = response::head_of(response);
        }
        let whole = head_only || http_body::Body::is_end_stream(response.body());
        if reason.is_some() {
            exchange.counters.refuse(Some(response.status()));
        }
        if response.status().is_client_error() || response.status().is_server_error() {
            response::set(&mut response, X_REQUEST_ID, exchange.id.to_string());
        }
        exchange.with_answer(|answer| {
            *answer = Answer { status: Some(response.status()), reason, length, whole };
        });
        inner.respond(response.map(|body| Counted::new(body, exchange, Direction::Sent).boxed_unsync())).await
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};
    use transport::body;

    use super::{super::request_id::RequestIds, *};

    /// A responder that keeps the response.
    struct Kept(Arc<Mutex<Option<Response<Body>>>>);

    #[async_trait]
    impl Responder for Kept {
        async fn respond(self: Box<Self>, response: Response<Body>) -> Result<(), Error> {
            *self.0.lock().unwrap() = Some(response);
            Ok(())
        }
    }

    /// Returns the length in the head, and the body, of the response "abc" to a request of that method.
    async fn answered(method: Method) -> (Option<String>, bytes::Bytes) {
        let (request, ()) = Request::builder().method(method).body(()).unwrap().into_parts();
        let counters = Arc::<Counters>::default();
        let served = counters.of(Some((Version::HTTP_2, false)));
        let exchange = Arc::new(Exchange::new(RequestIds::new().next(), counters, served, None));
        let kept = Arc::new(Mutex::new(None));
        let inner = Box::new(Kept(kept.clone()));
        let responder = Box::new(ObservedResponder::new(inner, exchange, &request, HeaderMap::new()));
        responder.respond(Response::new(body::full("abc"))).await.unwrap();
        let (head, body) = kept.lock().unwrap().take().unwrap().into_parts();
        let length = head.headers.get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap().into());
        (length, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn no_response_to_head_has_a_body() {
        assert_eq!(answered(Method::GET).await, (None, "abc".into()));
        assert_eq!(answered(Method::HEAD).await, (Some("3".into()), bytes::Bytes::new()));
    }
}
