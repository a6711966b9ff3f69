//! The access log: one line of JSON for each request.

use std::{
    fmt,
    io::{self, Write},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use http::{StatusCode, request::Parts};
use jiff::Timestamp;
use metrics::Stamp;
use serde::Serialize;

use super::{request_id::RequestId, target::loggable};
use crate::text::printable;

/// The most lines that wait for a slow writer. A line has at most some 2,500 bytes.
const WAITING: usize = 1024;

/// The time in which the last lines must be written when the log ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The longest reason, in characters.
const MOST_REASON: usize = 200;

/// The longest method, in characters. A client may invent a method of any length.
const MOST_METHOD: usize = 20;

/// A log with one line of JSON for each request, written when the exchange is over.
///
/// A thread writes the lines. If the writer cannot keep up, lines are dropped rather than requests delayed, and the
/// next line states the number of dropped lines.
#[derive(Clone)]
pub struct AccessLog(Arc<Log>);

struct Log {
    lines: Option<SyncSender<String>>,
    lost: AtomicU64,
    /// The receiver that is disconnected when the thread has ended.
    written: Mutex<Receiver<()>>,
}

impl AccessLog {
    /// Returns a log that is written to `writer`.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub fn to(mut writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let (done, written) = channel::<()>();
        thread::Builder::new().name("access-log".into()).spawn(move || {
            for line in waiting {
                // There is no other place to report a failing writer.
                let _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
            }
            drop(done);
        })?;
        let log = Log { lines: Some(lines), lost: AtomicU64::new(0), written: Mutex::new(written) };
        Ok(Self(Arc::new(log)))
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

    fn write(&self, line: String) {
        let Some(lines) = &self.0.lines else { return };
        if lines.try_send(line).is_err() {
            self.0.lost.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines = None;
        let written = self.written.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = written.recv_timeout(LAST_LINES);
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessLog")
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
        let entry = Entry {
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
            lost_lines: self.log.0.lost.swap(0, Relaxed),
        };
        if let Ok(json) = serde_json::to_string(&entry) {
            self.log.write(json + "\n");
        }
    }
}
