//! The control resource for sessions of `bench --to`. This machine runs and measures their server ends.

use std::net::IpAddr;

use http::{HeaderName, Response, StatusCode, header, request::Parts};
use run::{CONTROL_VERSION, ControlSession, MeasuringHost, VERSION_FIELD};
use transport::Body;

use crate::{
    refusal::Refusal,
    reply::{ConnectionFate, Reply},
    response,
};

/// The media type of lines of JSON.
const LINES: &str = "application/jsonl";

/// The time in seconds after which a refused client may try again. A session takes minutes.
const RETRY_AFTER: &str = "10";

/// The control resource of a server that measures.
pub(crate) struct Measuring {
    host: MeasuringHost,
    /// The address on which the measured servers listen.
    address: IpAddr,
}

impl Measuring {
    /// Returns the resource for runs of this host, whose servers listen on `address`.
    pub(crate) fn new(host: MeasuringHost, address: IpAddr) -> Self {
        Self { host, address }
    }

    /// Holds a session. The body of the request carries its demands, and the body of the response carries the answers.
    /// Dropping the session ends its run.
    pub(crate) async fn hold(&self, request: &Parts, body: Body, reply: Reply<'_>) -> ConnectionFate {
        let session = match self.admit(request, &reply) {
            Ok(session) => session,
            Err(refusal) => return reply.refuse(refusal.with_text(version_field(), &version()), body).await,
        };
        let (answers, session) = session.converse(body, self.address, reply.stopping());
        let mut response: Response<Body> = response::with_status(StatusCode::OK, answers);
        response::set(&mut response, header::CONTENT_TYPE, LINES);
        response::set(&mut response, header::CACHE_CONTROL, "no-store");
        response::set(&mut response, version_field(), version());
        reply.converse(response, session).await
    }

    fn admit(&self, request: &Parts, reply: &Reply<'_>) -> Result<ControlSession, Refusal> {
        if !reply.is_encrypted() {
            let reason = "sessions that measure come over TLS only; use the https:// address";
            return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        }
        let asked = request.headers.get(version_field()).and_then(|version| version.to_str().ok());
        if asked != Some(&version()) {
            let reason = format!(
                "this server speaks version {CONTROL_VERSION} of the control messages ({VERSION_FIELD}), not {}; use the same \
                 version of longhaul on both hosts",
                asked.unwrap_or("an unnamed one")
            );
            return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
        }
        self.host.begin().ok_or_else(|| {
            let reason = "another session is being measured here; try again when it has ended";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).with(header::RETRY_AFTER, RETRY_AFTER)
        })
    }
}

/// Returns the refusal of a server that does not measure.
pub(crate) fn not_offered() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "this server does not measure; start it with serve --measure")
}

fn version_field() -> HeaderName {
    HeaderName::from_static(VERSION_FIELD)
}

fn version() -> String {
    CONTROL_VERSION.to_string()
}
