//! The memory of QUIC connections. A receiver holds the bytes that its windows admit, in slices of whole receive
//! batches; a sender holds bookkeeping of unacknowledged packets, whose bytes belong to the payload.

use record::{
    End, Limits, MIN_QUIC_MTU, QUIC_CONNECTION_WINDOW, QUIC_MTU, QUIC_SEND_WINDOW, QUIC_WINDOW, Term,
};

use super::{Quic, udp::RECEIVED_AT_ONCE};
use crate::{
    Shape,
    footprint::{Footprint, kib},
};

/// The most bytes that one message of a system call sends or receives.
const BATCH: u64 = 64 << 10;

/// The transmit buffers of a connection.
const TRANSMIT_BUFFERS: u64 = 2;

/// The part of a receive buffer that a message of acknowledgements touches: two pages.
const ACKS: u64 = 8 << 10;

/// The bookkeeping of an unacknowledged packet and the frames in it, in bytes.
const PIECE: u64 = 256;

/// The overhead of unread data, in quarters of a window, up to which quinn does not compact the data.
const OVERHEAD_QUARTERS: u64 = 5;

impl Footprint for Quic {
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        match end {
            End::Sender => sender(limits, shape),
            End::Receiver => receiver(limits, shape),
        }
    }
}

fn sender(limits: &Limits, shape: Shape) -> Vec<Term> {
    let (window, flag) = (limits.bytes(&QUIC_SEND_WINDOW), QUIC_SEND_WINDOW.flag);
    let mtu = limits.bytes_unless_auto(&QUIC_MTU).unwrap_or(MIN_QUIC_MTU);
    let pieces = window.div_ceil(shape.chunk_bytes().min(mtu).max(1));
    let mut terms = vec![
        shape.term(
            "QUIC packets in flight",
            pieces.saturating_mul(PIECE),
            format!(
                "{PIECE} bytes for each piece of {flag} (quinn-proto's connection/spaces.rs and \
                 send_buffer.rs)"
            ),
        ),
        shape.term(
            "QUIC transmit buffer",
            TRANSMIT_BUFFERS * BATCH,
            format!(
                "{TRANSMIT_BUFFERS} × {} per connection: up to 10 datagrams for one GSO send \
                 (MAX_TRANSMIT_SEGMENTS in quinn's connection.rs)",
                kib(BATCH)
            ),
        ),
        shape.term(
            "QUIC receive buffer",
            RECEIVED_AT_ONCE as u64 * ACKS,
            format!("{RECEIVED_AT_ONCE} messages of acknowledgements, {} each, per socket", kib(ACKS)),
        ),
    ];
    terms.extend(shape.payload_in_flight(
        window.saturating_add(shape.chunk_bytes()),
        format!("{flag} and a chunk per connection, kept until acknowledged"),
    ));
    terms
}

/// Counts a receive buffer per connection, since each connection of a client has its own endpoint.
fn receiver(limits: &Limits, shape: Shape) -> Vec<Term> {
    let streams = limits.bytes(&QUIC_WINDOW).saturating_mul(shape.streams.into());
    let window = streams.min(limits.bytes(&QUIC_CONNECTION_WINDOW));
    vec![
        shape.term(
            "QUIC window",
            window,
            format!(
                "{} per stream, {} per connection: unread data that the peer may send (RFC 9000 section 4)",
                QUIC_WINDOW.flag, QUIC_CONNECTION_WINDOW.flag
            ),
        ),
        shape.term(
            "QUIC packet overhead",
            window.saturating_mul(OVERHEAD_QUARTERS) / 4,
            format!(
                "{} windows: the excess of unread data over its own size (packet heads, the rest of \
                 batches that a slice pins, an entry for each) before quinn-proto's \
                 connection/assembler.rs compacts it",
                OVERHEAD_QUARTERS as f64 / 4.0
            ),
        ),
        shape.term(
            "QUIC receive buffer",
            RECEIVED_AT_ONCE as u64 * BATCH,
            format!(
                "{RECEIVED_AT_ONCE} messages of at most {} per socket (a datagram that GRO has joined has at \
                 most 65,535 bytes)",
                kib(BATCH)
            ),
        ),
    ]
}
