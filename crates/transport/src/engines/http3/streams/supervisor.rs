//! The state of a connection that all its streams share.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use h3::{
    error::Code,
    quic::{ConnectionErrorIncoming, StreamErrorIncoming, StreamId},
};
use quinn::VarInt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep},
};

use super::{
    Role,
    handoff::{Handoff, Handoffs},
    violation::{Reach, Violation},
};
use crate::{
    Guards,
    carriers::quic::{Deliveries, OpeningWindows, close},
    framing::SizeLog,
    reset_budget::ResetBudget,
};

/// The bytes that may come on control and QPACK streams between two requests: SETTINGS, cancellations, and a priority
/// update per request (RFC 9218 section 7).
const CONTROL_ALLOWANCE: u64 = 64 << 10;

/// The time without a frame of a stream after which a client that still has responses to receive is given up: the
/// default idle timeout of a server.
const STALL: Duration = Duration::from_secs(30);

/// The interval at which the progress of the connection is checked.
const POLL: Duration = Duration::from_millis(500);

/// The bounds on a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The largest field section, in bytes.
    pub(crate) header_bytes: u32,
    /// The most fields in a section.
    pub(crate) header_count: usize,
    /// The memory that heads may take until their requests are accepted, in bytes. `None` for a client, which
    /// has sent the requests itself.
    pub(crate) heads: Option<u32>,
    /// The longest head that is gathered without a share of that memory, in bytes.
    pub(crate) short_head: u64,
    /// The time within which a head must be complete once it has begun. `None` for a client, whose caller applies
    /// timeouts.
    pub(crate) head_timeout: Option<Duration>,
}

/// The bounds on the peer of a connection, and the counts that are held against them.
pub(crate) struct Supervisor {
    pub(super) role: Role,
    pub(super) bounds: Bounds,
    pub(super) handoffs: Handoffs,
    /// The unfinished exchanges.
    pub(crate) deliveries: Arc<Deliveries>,
    connection: quinn::Connection,
    windows: Option<Arc<OpeningWindows>>,
    /// The sizes of received DATA frames; `None` counts none.
    pub(super) data_frames: Option<SizeLog>,
    resets: Mutex<ResetBudget>,
    /// The bytes that may still come on control streams before the next request.
    control: AtomicU64,
    closing: AtomicBool,
    /// The identifier of the first request that the server rejects by GOAWAY; [`NONE_REJECTED`] without a GOAWAY.
    rejected_from: watch::Sender<u64>,
    /// The violation by which the peer made this end close the connection.
    pub(super) violation: Arc<OnceLock<Violation>>,
    /// The memory that is left for heads, in bytes.
    heads: Arc<Semaphore>,
}

/// An identifier above those of all streams, which have 62 bits (RFC 9000 section 2.1).
const NONE_REJECTED: u64 = u64::MAX;

impl Supervisor {
    pub(super) fn new(
        connection: quinn::Connection,
        role: Role,
        bounds: Bounds,
        windows: Option<Arc<OpeningWindows>>,
        data_frames: Option<SizeLog>,
    ) -> Self {
        Self {
            role,
            bounds,
            handoffs: Handoffs::default(),
            deliveries: Arc::default(),
            connection,
            windows,
            data_frames,
            resets: Mutex::new(ResetBudget::new(Instant::now())),
            control: AtomicU64::new(CONTROL_ALLOWANCE),
            closing: AtomicBool::new(false),
            rejected_from: watch::Sender::new(NONE_REJECTED),
            violation: Arc::default(),
            heads: Arc::new(Semaphore::new(bounds.heads.unwrap_or_default() as usize)),
        }
    }

    /// Counts bytes that were taken from a stream.
    pub(super) fn taken(&self, bytes: usize) {
        if let Some(windows) = &self.windows {
            windows.taken(bytes);
        }
    }

    /// Counts bytes that were written to a stream.
    pub(super) fn sent(&self, bytes: usize) {
        if let Some(windows) = &self.windows {
            windows.sent(bytes);
        }
    }

    /// Returns the wait for the memory of a head whose frame has `length` bytes; `None` if heads are not bounded.
    pub(super) fn room(
        &self,
        length: u64,
    ) -> Option<impl Future<Output = Option<OwnedSemaphorePermit>> + Send + Sync + use<>> {
        let most = self.bounds.heads?;
        let wanted = Guards::counted_head(length, self.bounds.header_count);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).min(most);
        let heads = self.heads.clone();
        // An error means that the semaphore was closed, which never happens.
        Some(async move { heads.acquire_many_owned(wanted).await.ok() })
    }

    /// Returns the handoff of a stream that is still open.
    pub(crate) fn handoff(&self, stream: StreamId) -> Handoff {
        self.handoffs.of(stream)
    }

    /// Waits until no exchange runs and nothing new was sent for [`STALL`]. A client that has vanished
    /// reaches the idle timeout of QUIC in the same time. A client that opens no window would acknowledge
    /// keep-alives for ever.
    pub(crate) async fn stalled(&self) {
        let (mut sent, mut still) = (0, Duration::ZERO);
        while still < STALL {
            sleep(POLL).await;
            let now = self.connection.stats().frame_tx.stream;
            let moves = now != sent || self.deliveries.are_running();
            still = if moves { Duration::ZERO } else { still.saturating_add(POLL) };
            sent = now;
        }
    }

    /// Rejects new requests from now on.
    pub(crate) fn reject_requests(&self) {
        self.closing.store(true, Relaxed);
    }

    pub(super) fn rejects_requests(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Notes a GOAWAY of the server: it does not process the requests from `id` on.
    pub(super) fn server_rejects_from(&self, id: u64) {
        self.rejected_from.send_replace(id);
    }

    /// Waits until the server has rejected the request on `stream` by GOAWAY (RFC 9114 section 5.2).
    pub(crate) async fn request_was_rejected(&self, stream: StreamId) {
        let mut rejected_from = self.rejected_from.subscribe();
        // The sender lives as long as `self`.
        let _ = rejected_from.wait_for(|from| stream.into_inner() >= *from).await;
    }

    /// Returns the violation by which the peer made this end close the connection, if it has.
    pub(crate) fn violation(&self) -> Option<Violation> {
        self.violation.get().copied()
    }

    /// Notes that a request has begun. From one request to the next, a peer may send [`CONTROL_ALLOWANCE`]
    /// bytes on control streams.
    pub(super) fn request_began(&self) {
        self.control.store(CONTROL_ALLOWANCE, Relaxed);
    }

    /// Counts bytes of a control stream.
    ///
    /// # Errors
    /// Fails if the peer sends too many bytes.
    pub(super) fn control_bytes(&self, count: u64) -> Result<(), Violation> {
        let excess =
            Violation::of_connection(Code::H3_EXCESSIVE_LOAD, "too many bytes on the control streams");
        // No other task interferes: only the task that drives the connection reads control streams.
        let left = self.control.load(Relaxed).checked_sub(count).ok_or(excess)?;
        self.control.store(left, Relaxed);
        Ok(())
    }

    /// Notes a stream that the peer cancelled, or whose request is refused, and ends the connection if there were too
    /// many.
    pub(crate) fn stream_was_cancelled(&self) {
        let mut resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
        if !resets.spend(Instant::now()) {
            let reason = "too many streams were cancelled";
            drop(self.end(Violation::of_connection(Code::H3_EXCESSIVE_LOAD, reason)));
        }
    }

    /// Counts a violation that ends its stream alone as a cancelled stream, and ends the connection for any other.
    /// Returns the error for h3.
    pub(super) fn punish(&self, violation: Violation) -> StreamErrorIncoming {
        match violation.reach {
            Reach::Stream => {
                self.stream_was_cancelled();
                StreamErrorIncoming::Unknown(Box::new(violation))
            }
            Reach::Connection => {
                let connection_error = self.end(violation);
                StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
            }
        }
    }

    /// Ends the connection. Returns the error for h3.
    pub(super) fn end(&self, violation: Violation) -> ConnectionErrorIncoming {
        // Only the first violation closes the connection.
        let _ = self.violation.set(violation);
        close(&self.connection, varint(violation.code.value()), violation.reason.as_bytes());
        ConnectionErrorIncoming::Undefined(Arc::new(violation))
    }
}

/// Returns an error code for quinn. Codes have 62 bits.
pub(super) fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}
