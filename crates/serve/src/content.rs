//! The content of a server, and the dispatch of requests to it.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use http::{HeaderValue, Method, Request, StatusCode, Version, header, request::Parts};
use jiff::Timestamp;
use transport::{Body, Error, Incoming};

use crate::{
    Options, ServeError,
    access::{self, Admitted, Gate},
    destination::Destination,
    digest,
    download::Download,
    early_data, framing, front_page,
    generated::GeneratedBodies,
    measuring::{self, Measuring},
    observe::{Connected, Exchange, Exporter, Observed, Observer, Traffic},
    places::Refused,
    refusal::Refusal,
    reply::{ConnectionFate, Reply},
    request::{self, RequestKind},
    saved_file,
    unsent::Unsent,
    upload::Uploads,
};

/// The content that all connections share.
pub(crate) struct Content {
    gate: Gate,
    observer: Observer,
    uploads: Uploads,
    generated: GeneratedBodies,
    unsent: Unsent,
    /// The control resource; `None` for a server that does not measure.
    measuring: Option<Measuring>,
}

impl Content {
    /// Opens the folder for uploads, if the options name one.
    ///
    /// # Errors
    /// Fails if the folder cannot be used.
    pub(crate) fn new(options: &Options) -> Result<Self, ServeError> {
        let destination = Destination::open(&options.uploads, options.quota)?;
        Ok(Self {
            gate: Gate::new(options),
            observer: Observer::new(options.access_log.clone()),
            uploads: Uploads::new(destination, options),
            generated: GeneratedBodies::new(options),
            unsent: Unsent::default(),
            measuring: None,
        })
    }

    /// Offers the control resource, if there is one.
    pub(crate) fn measuring(self, measuring: Option<Measuring>) -> Self {
        Self { measuring, ..self }
    }

    /// Removes incomplete uploads as they expire, without end.
    pub(crate) async fn expire(&self) {
        self.uploads.partials.expire().await;
    }

    /// Removes all incomplete uploads, at the end of the server.
    pub(crate) async fn close(&self) {
        self.uploads.partials.close().await;
    }

    /// Returns a reader of the counters.
    pub(crate) fn traffic(&self) -> Traffic {
        self.observer.traffic()
    }

    /// Returns the figures of the server for Prometheus.
    pub(crate) fn exporter(&self, options: &Options) -> Exporter {
        self.observer.exporter(options)
    }

    /// Counts a connection that was refused.
    pub(crate) fn refused_connection(&self, limit: Refused) {
        self.observer.refused_connection(limit);
    }

    /// Counts a request whose stream was reset without a response.
    pub(crate) fn dropped_request(&self) {
        self.observer.dropped_request();
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connected(&self) -> Connected {
        self.observer.connected()
    }

    /// Observes a request and its response. The response gets the fields that all responses have. Returns the
    /// exchange as well.
    pub(crate) fn observe(&self, incoming: Incoming, connection: Observed) -> (Arc<Exchange>, Incoming) {
        let (version, headers) = (incoming.request.version(), incoming.request.headers());
        let mut fields = self.gate.response_fields(headers);
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // hyper adds the date over HTTP/1.1 (RFC 9110 section 6.6.1).
        if version >= Version::HTTP_2
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now()))
        {
            fields.insert(header::DATE, date);
        }
        let user = self.gate.user(headers);
        self.observer.observe(incoming, connection, user, fields)
    }

    /// Logs a request that was refused before it could be read, or the end of a connection whose client violated the
    /// protocol.
    pub(crate) fn report_broken(&self, client: SocketAddr, error: &Error) {
        let status = match error {
            Error::Refused { status, .. } => *status,
            Error::Protocol { .. } => None,
            _ => return,
        };
        self.observer.report_broken(client, status, error.to_string());
    }

    /// Answers any request. A transfer whose client stalls is aborted. The head is dropped before the client
    /// is waited for.
    pub(crate) async fn answer(&self, request: Request<Body>, reply: Reply<'_>) -> ConnectionFate {
        let (request, body) = request.into_parts();
        match self.admit(&request) {
            Ok(RequestKind::Partial { id }) => self.uploads.serve_resource(&id, request, body, reply).await,
            Ok(RequestKind::Upload { name }) => match self.uploads.creation(&request) {
                Some(creation) => self.uploads.create(creation, request, body, name, reply).await,
                None => self.uploads.receive(request, body, name, reply).await,
            },
            Ok(RequestKind::Session) => match &self.measuring {
                // Rare and large: as a part of this future, a session would add 9 KiB to every request.
                Some(measuring) => Box::pin(measuring.hold(&request, body, reply)).await,
                None => reply.refuse(measuring::not_offered(), body).await,
            },
            Ok(kind) => {
                let download = self.download(kind, &request).await;
                drop(request);
                match download {
                    Ok(download) => download.send(reply).await,
                    Err(refusal) => reply.send(refusal.response()).await,
                }
            }
            Err(refusal) => {
                drop(request);
                reply.refuse(refusal, body).await
            }
        }
    }

    /// Decides by the head of a request whether the request is served.
    fn admit(&self, request: &Parts) -> Result<RequestKind, Refusal> {
        framing::check(request)?;
        if self.gate.admit(request)? == Admitted::Preflight {
            return Ok(RequestKind::Preflight);
        }
        if !request::is_health(&request.uri) {
            self.gate.authenticate(&request.headers)?;
        }
        early_data::check(request)?;
        RequestKind::of(&request.method, &request.uri).map_err(|refusal| self.uploads.with_methods(refusal))
    }

    /// Returns the response to a request without a body.
    async fn download(&self, kind: RequestKind, request: &Parts) -> Result<Download, Refusal> {
        let head_only = request.method == Method::HEAD;
        match kind {
            RequestKind::FrontPage
            | RequestKind::Upload { .. }
            | RequestKind::Partial { .. }
            | RequestKind::Session => Ok(Download::complete(front_page::response())),
            RequestKind::Generated { size, chunk, seed } => {
                let mut download = self.generated.download(size, chunk, seed, head_only)?;
                if !head_only {
                    digest::attach(request, download.response_mut());
                }
                Ok(download)
            }
            RequestKind::Limits => match self.uploads.folder() {
                Some(_) => Ok(Download::complete(self.uploads.partials.offer())),
                None => Err(request::not_allowed(&request.method)),
            },
            RequestKind::Health => Ok(Download::complete(self.observer.health())),
            RequestKind::Preflight => Ok(Download::complete(access::preflight(&request.headers))),
            RequestKind::SavedFile { name } => match self.uploads.folder() {
                Some(folder) => {
                    self.gate.may_download()?;
                    let download = saved_file::download(folder, name, request, now()).await?;
                    Ok(download.bounded(&self.unsent))
                }
                None => Err(Refusal::new(StatusCode::NOT_FOUND, "no files are saved here")),
            },
        }
    }
}

/// Returns the time of day.
fn now() -> SystemTime {
    Timestamp::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the size of the future that a function returns, in bytes.
    fn future_size<'a, F: Future>(_: impl FnOnce(&'a Content, Request<Body>, Reply<'a>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_that_waits_takes_little_memory() {
        let size = future_size(Content::answer);
        assert!(size <= 6 << 10, "each of 10,000 idle uploads holds {size} bytes");
    }
}
