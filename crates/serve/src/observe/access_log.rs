//! The access log: one line of JSON for each request.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use http::{StatusCode, request::Parts};
use jiff::Timestamp;
use metrics::Stamp;
use serde::Serialize;

use super::{request_id::RequestId, target::loggable};
use crate::{LineQueue, text::printable};

/// The longest reason, in characters.
const MOST_REASON: usize = 200;

/// The longest method, in characters. A client may invent a method of any length.
const MOST_METHOD: usize = 20;

/// A log with one line of JSON for each request, written when the exchange is over.
///
/// The lines pass through a [`LineQueue`]: if the writer cannot keep up, lines are lost rather than requests delayed, and
/// the next line of the log states the number of lost lines.
#[derive(Clone, Debug)]
pub struct AccessLog(LineQueue);

impl AccessLog {
    /// Returns a log that is written to `writer` by a queue of its own.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub fn to(writer: impl Write + Send + 'static) -> io::Result<Self> {
        LineQueue::to(writer).map(Self::over)
    }

    /// Returns a log whose lines pass through `lines`, beside those of others.
    pub fn over(lines: LineQueue) -> Self {
        Self(lines)
    }

    /// Begins the line of a request, which is written when its exchange is over.
    pub(super) fn line(
        self,
        id: RequestId,
        client: SocketAddr,
        user: Option<&'static str>,
        request: &Parts,
    ) -> Line {
        let head = Head {
            protocol: format!("{:?}", request.version),
            method: printable(request.method.as_str(), MOST_METHOD),
            target: loggable(&request.uri),
        };
        Line { user, head: Some(head), ..self.line_of_connection(id, client) }
    }

    /// Begins the line of a connection whose request could not be read.
    pub(super) fn line_of_connection(self, id: RequestId, client: SocketAddr) -> Line {
        Line {
            id,
            log: self,
            began: Stamp::now(),
            time: Timestamp::now(),
            address: client,
            user: None,
            head: None,
        }
    }
}

/// A line whose request has arrived, and whose response is still to come.
pub(super) struct Line {
    id: RequestId,
    log: AccessLog,
    began: Stamp,
    time: Timestamp,
    address: SocketAddr,
    user: Option<&'static str>,
    head: Option<Head>,
}

/// The logged part of the head of a request.
#[derive(Serialize)]
struct Head {
    protocol: String,
    method: String,
    target: String,
}

/// A line in the form in which it is written.
#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    request: String,
    address: String,
    user: Option<&'a str>,
    #[serde(flatten)]
    head: Option<&'a Head>,
    status: Option<u16>,
    received: u64,
    sent: u64,
    duration_s: f64,
    reason: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    lost_lines: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Line {
    /// Writes the line. `status` is `None` if there was no response.
    pub(super) fn write(self, status: Option<StatusCode>, received: u64, sent: u64, reason: Option<String>) {
        let entry = |lost_lines| Entry {
            time: self.time.to_string(),
            request: self.id.to_string(),
            address: self.address.to_string(),
            user: self.user,
            head: self.head.as_ref(),
            status: status.map(|status| status.as_u16()),
            received,
            sent,
            duration_s: self.began.elapsed().as_secs_f64(),
            reason: reason.map(|reason| printable(&reason, MOST_REASON)),
            lost_lines,
        };
        self.log.0.push_stating(|lost| serde_json::to_string(&entry(lost)).ok().map(|json| json + "\n"));
    }
}
