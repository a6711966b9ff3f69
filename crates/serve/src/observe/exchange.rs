//! One exchange: a request, and the response to it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use http::{HeaderMap, Method, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use tracing::{debug, warn};
use transport::{Body, Error, Responder};

use super::{
    access_log::Line,
    counted::{Counted, Direction},
    counters::Counters,
    request_id::{RequestId, X_REQUEST_ID},
    served::Served,
};
use crate::{refusal::Reason, response, text::printable};

/// The state of an exchange, which is counted and logged once its request and response are dropped.
pub(crate) struct Exchange {
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
    progress: Progress,
}

/// The progress of a response. Only the first end counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// The connection still takes the body.
    #[default]
    Running,
    /// The whole response was handed to the connection.
    Whole,
    /// The connection took no more of the body.
    CutOff,
    /// The server failed to read the body, for this reason.
    Failed(String),
}

/// The longest reason of a failure in the log, in characters.
const MOST_REASON: usize = 200;

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
        self.end_response(Progress::Whole);
    }

    /// Notes that the connection takes no more of the response.
    pub(super) fn cut_off(&self) {
        self.end_response(Progress::CutOff);
    }

    /// Notes that the server cannot read the rest of the response, counts that, and warns of it occasionally.
    pub(super) fn failed_to_send(&self, reason: &str) {
        let reason = printable(reason, MOST_REASON);
        if let Some(left_out) = self.counters.fail_response() {
            warn!(request = %self.id, "cut off a response ({left_out} similar lines left out): {reason}");
        }
        self.end_response(Progress::Failed(reason));
    }

    fn end_response(&self, progress: Progress) {
        self.with_answer(|answer| {
            if answer.progress == Progress::Running {
                answer.progress = progress;
            }
        });
    }

    /// Returns the identifier of the request.
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// Returns whether the response ended before the connection had all of it.
    pub(crate) fn is_cut_off(&self) -> bool {
        let mut cut_off = false;
        let sent = self.sent.load(Relaxed);
        self.with_answer(|answer| cut_off = answer.has_ended() && answer.failure(sent).is_some());
        cut_off
    }

    fn with_answer(&self, change: impl FnOnce(&mut Answer)) {
        change(&mut self.answer.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Answer {
    fn has_ended(&self) -> bool {
        self.progress != Progress::Running
    }

    /// Returns the reason why the client did not get the whole response, of whose body `sent` bytes were sent.
    fn failure(&self, sent: u64) -> Option<String> {
        match &self.progress {
            _ if self.status.is_none() => Some("no response was sent".into()),
            Progress::Failed(reason) => Some(format!("the response was cut off: {reason}")),
            Progress::Whole => None,
            Progress::Running | Progress::CutOff if self.length.is_some_and(|length| sent >= length) => None,
            Progress::Running | Progress::CutOff => Some("the response was cut off".into()),
        }
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
        let reason = answer.reason.take().or_else(|| answer.failure(sent));
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
        let progress = if whole { Progress::Whole } else { Progress::Running };
        exchange.with_answer(|answer| {
            *answer = Answer { status: Some(response.status()), reason, length, progress };
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
