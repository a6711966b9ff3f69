//! The client's end of HTTP/1.1.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, Uri, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::{Body as _, Frame, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use record::printable;
use tokio::{sync::Mutex, time::timeout};

use super::{
    PROTOCOL,
    framing::{Announcer, BodyFraming, Messages, Unadorned},
    permission::Permission,
    received,
};
use crate::{
    Body, BodyError, ChunkExtensions, Connection, Error, Link, Proxy,
    body::BodySent,
    carriers::{Stream, StreamInfo},
    driver::Driver,
    engines::patient::{AfterFailure, Patient, Unsent, WriteFailure},
    session::LinkSource as _,
    tasks::Tasks,
};

/// Starts to drive the connection.
///
/// # Errors
/// Fails if hyper refuses the buffer.
pub(super) async fn start(
    stream: impl Stream,
    info: StreamInfo,
    buffer: usize,
) -> Result<Box<dyn Connection>, Error> {
    let (stream, announcer) = match info.chunk_extensions() {
        ChunkExtensions::Few => (Unadorned::as_it_is(stream), None),
        ChunkExtensions::Any => {
            let (stream, announcer) = Unadorned::new(stream, Messages::Responses);
            (stream, Some(announcer))
        }
    };
    let (stream, write_failure) = Patient::new(stream, AfterFailure::Wait);
    let (requests, connection) = Builder::new()
        .max_buf_size(buffer)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Error::handshake)?;
    let tasks = Tasks::default();
    let driver = Driver::spawn(&tasks, PROTOCOL, connection);
    let requests = Mutex::new(Some(requests));
    Ok(Box::new(Http1Connection { requests, announcer, write_failure, info, driver, tasks }))
}

/// The time that a connection has to end by itself when it is closed. An idle connection ends at once. A connection in
/// the middle of a message, such as an upload that the server has refused, would not end before the body does. Such a
/// connection is broken off after this time.
const FAREWELL: Duration = Duration::from_millis(50);

struct Http1Connection {
    /// The sender of requests; `None` once the connection has been closed.
    requests: Mutex<Option<SendRequest<Sending>>>,
    announcer: Option<Announcer>,
    write_failure: WriteFailure,
    info: StreamInfo,
    driver: Driver,
    tasks: Tasks,
}

#[async_trait]
impl Connection for Http1Connection {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Body>, Error> {
        match self.info.forwarder() {
            None => origin_form(&mut request)?,
            Some((proxy, server)) => absolute_form(&mut request, proxy, server)?,
        }
        if request.body().size_hint().exact().is_none() {
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
        }
        let (sent, permission) = (BodySent::default(), Permission::of(&mut request));
        let request = request.map(|body| Sending { body, permission, sent: sent.clone() });
        let mut requests = self.requests.lock().await;
        let requests =
            requests.as_mut().ok_or_else(|| Error::protocol(PROTOCOL, "the connection is closed"))?;
        requests.ready().await.map_err(|error| self.broken(error))?;
        let response = requests.send_request(request).await.map_err(|error| self.broken(error))?;
        check_coding(response.headers())?;
        if let Some(announcer) = &self.announcer {
            announcer.announce(BodyFraming::of(response.headers(), response.body()));
        }
        let mut response = response.map(received);
        response.extensions_mut().insert(sent);
        Ok(response)
    }

    async fn close(&self) {
        // An exchange has the lock until the head of its response arrives.
        let ended = async {
            self.requests.lock().await.take();
            self.driver.ended().await;
        };
        if timeout(FAREWELL, ended).await.is_err() {
            self.tasks.abort();
        }
    }

    fn link(&self) -> Link {
        self.info.link()
    }
}

impl Http1Connection {
    /// Returns the error of an exchange. A failed write is reported as the cause of any later error.
    fn broken(&self, error: hyper::Error) -> Error {
        match self.write_failure.get() {
            Some(failure) => Error::protocol(PROTOCOL, Unsent { failure, source: error.into() }),
            None => Error::protocol(PROTOCOL, error),
        }
    }
}

/// Checks that the body of a response has no transfer coding but chunked. hyper accepts any other coding and hands over
/// the coded bytes. It also accepts a coding beside a Content-Length (RFC 9112 sections 6.1 and 6.3).
///
/// # Errors
/// Fails if there is another coding, or a Content-Length beside the coding.
fn check_coding(headers: &HeaderMap) -> Result<(), Error> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        let coding = String::from_utf8_lossy(coding.as_bytes());
        let what =
            format!("the response has the transfer coding '{}', which was not asked for", printable(&coding));
        return Err(Error::protocol(PROTOCOL, what));
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Error::protocol(PROTOCOL, "the response states a length beside the chunked coding"));
    }
    Ok(())
}

/// Reduces the target of a request to its path, and moves the host into a header (RFC 9112 section 3.2.1).
fn origin_form(request: &mut Request<Body>) -> Result<(), Error> {
    let path = with_host(request)?;
    *request.uri_mut() = Uri::builder().path_and_query(path).build().map_err(malformed)?;
    Ok(())
}

/// Makes the target of a request the URL at `server`, for a proxy (RFC 9112 section 3.2.2). The field Host may name
/// another host. The proxy then replaces the field.
fn absolute_form(request: &mut Request<Body>, proxy: &Proxy, server: &Authority) -> Result<(), Error> {
    let path = with_host(request)?;
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(server.clone()).path_and_query(path);
    *request.uri_mut() = uri.build().map_err(malformed)?;
    let authorization = proxy.authorization.clone().map(|value| (header::PROXY_AUTHORIZATION, value));
    request.headers_mut().extend(authorization);
    Ok(())
}

/// Moves the host of a request into a header, and returns the path.
fn with_host(request: &mut Request<Body>) -> Result<PathAndQuery, Error> {
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| malformed(error.into()))?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")))
}

fn malformed(error: http::Error) -> Error {
    Error::protocol(PROTOCOL, error)
}

/// The body of a request. It waits for its permission, and sets `sent` once hyper has taken all of it.
struct Sending {
    body: Body,
    permission: Permission,
    sent: BodySent,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        ready!(self.permission.poll(cx));
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) {
            self.sent.complete();
        }
        frame
    }

    /// Returns whether the body has ended. hyper asks after each frame, and does not pull a body that has ended.
    fn is_end_stream(&self) -> bool {
        let ended = self.body.is_end_stream();
        if ended {
            self.sent.complete();
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
