//! The memory of HTTP/1.1 connections.

use record::{End, H1_BUFFER, Limits, Term};

use super::Http1;
use crate::{
    Shape,
    footprint::{Footprint, kib},
};

/// The buffer of a head that is sent or received.
const HEAD_BUFFER: u64 = 16 << 10;

/// The head buffers of a sender: the buffer of hyper, and its replacement while it grows.
const HEAD_BUFFERS: u64 = 2;

/// The receive buffers of a connection.
const RECEIVE_BUFFERS: u64 = 3;

impl Footprint for Http1 {
    /// Counts the buffers for heads and reads. hyper pulls a chunk when its queue has room, and queues it by reference:
    /// a sender holds buffers for heads alone. A receiver reads into a buffer while one piece of it waits and another
    /// is consumed.
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        let (buffer, flag) = (limits.bytes(&H1_BUFFER), H1_BUFFER.flag);
        let (bytes, reason) = match end {
            End::Sender => (
                HEAD_BUFFERS * HEAD_BUFFER,
                format!(
                    "{HEAD_BUFFERS} × {} per connection, for heads (INIT_BUFFER_SIZE and its growth in \
                     hyper's proto/h1/io.rs)",
                    kib(HEAD_BUFFER)
                ),
            ),
            End::Receiver => (
                buffer.saturating_mul(RECEIVE_BUFFERS),
                format!(
                    "{RECEIVE_BUFFERS} × {flag} per connection: one being filled, one waiting, one being \
                     consumed (max_buf_size, and the body channel of hyper, which holds one piece)"
                ),
            ),
        };
        let mut terms = vec![shape.term("HTTP/1.1 buffers", bytes, reason)];
        if end == End::Sender {
            let queued = buffer.saturating_add(shape.chunk_bytes());
            let reason = format!("{flag} and a chunk per connection, queued for one writev");
            terms.extend(shape.payload_in_flight(queued, reason));
        }
        terms
    }
}
