//! The memory of HTTP/2 connections. A sender queues chunks by reference, up to its send buffer. It copies heads,
//! payloads under 256 bytes (CHAIN_THRESHOLD in h2's codec/framed_write.rs), and frames so small that they are
//! gathered. A receiver holds the bytes that its window admits, in frames that are slices of the read buffer.

use record::{End, H2_FRAME, H2_SEND_BUFFER, H2_WINDOW, Limits, Term};

use super::{Http2, gather};
use crate::{
    Shape,
    footprint::{Footprint, kib},
};

/// The capacity of a buffer of h2, in bytes: at first 16 KiB, doubled when the head and small payload of a frame need
/// it.
const CODEC_BUFFER: u64 = 32 << 10;

/// The buffers of h2's codec: one to read, one to write.
const CODEC_BUFFERS: u64 = 2;

/// A slot of h2's slab of frames, in bytes.
const SLOT: u64 = 160;

/// The slots in memory per frame: the slab doubles as it grows, while the previous slab still exists.
const SLOTS: u64 = 3;

/// The frames in memory besides those of the window.
const FRAMES_READ: u64 = 2;

/// The read buffer of tokio-util's codec/framed_impl.rs (INITIAL_CAPACITY).
const READ: u64 = 8 << 10;

/// The bytes of the window per byte lost to gaps.
const PER_GAP: u64 = 2;

impl Footprint for Http2 {
    fn footprint(limits: &Limits, end: End, shape: Shape) -> Vec<Term> {
        let reason = format!(
            "{CODEC_BUFFERS} × {} per connection (DEFAULT_BUFFER_CAPACITY in h2's codec, and its growth)",
            kib(CODEC_BUFFER)
        );
        let mut terms = vec![shape.term("HTTP/2 codec", CODEC_BUFFERS * CODEC_BUFFER, reason)];
        terms.extend(match end {
            End::Sender => sender(limits, shape),
            End::Receiver => receiver(limits, shape),
        });
        terms
    }
}

fn sender(limits: &Limits, shape: Shape) -> Vec<Term> {
    let flag = H2_SEND_BUFFER.flag;
    let queued = limits
        .bytes(&H2_SEND_BUFFER)
        .saturating_add(shape.chunk_bytes())
        .saturating_mul(shape.streams.into());
    let mut terms = vec![
        gather::footprint(shape),
        shape.term(
            "HTTP/2 queue",
            entries(queued, limits, shape),
            format!(
                "{SLOTS} × {SLOT} bytes for each frame of {flag} and a chunk per stream; the payload itself \
                 is only referred to"
            ),
        ),
    ];
    terms.extend(shape.payload_in_flight(queued, format!("{flag} and a chunk per stream")));
    terms
}

fn receiver(limits: &Limits, shape: Shape) -> Vec<Term> {
    let (window, flag) = (limits.bytes(&H2_WINDOW), H2_WINDOW.flag);
    let of = if limits.auto_bound(&H2_WINDOW).is_some() { "the bound of " } else { "" };
    vec![
        shape.term(
            "HTTP/2 window",
            window,
            format!(
                "{of}{flag} per connection, whatever its streams: unread data that the peer may send (RFC 9113 \
                 section 5.2)"
            ),
        ),
        shape.term(
            "HTTP/2 gaps",
            window / PER_GAP,
            format!(
                "1/{PER_GAP} of {flag}: a frame of 64 KiB and its head take 80 KiB, and frames cut at odd \
                 lengths leave gaps among the pages that the allocator keeps for a second (dirty_decay_ms)"
            ),
        ),
        pinned(limits, shape),
        shape.term(
            "HTTP/2 frames being read",
            limits.bytes(&H2_FRAME).saturating_mul(FRAMES_READ),
            format!(
                "{FRAMES_READ} × {} per connection: one being read, one pinned by a slice of it",
                H2_FRAME.flag
            ),
        ),
        shape.term(
            "HTTP/2 frame entries",
            entries(window, limits, shape),
            format!(
                "{SLOTS} × {SLOT} bytes for each frame of the window, in a slab that doubles (h2's \
                 proto/streams/buffer.rs)"
            ),
        ),
    ]
}

/// Returns the smallest frame that `bytes` of body are cut into, by the chunk or by the receiver's limit.
fn frame(limits: &Limits, shape: Shape) -> u64 {
    shape.chunk_bytes().min(limits.bytes(&H2_FRAME)).max(1)
}

/// Returns the slab entries of the frames of `bytes` of body, in bytes.
fn entries(bytes: u64, limits: &Limits, shape: Shape) -> u64 {
    bytes.div_ceil(frame(limits, shape)).saturating_mul(SLOTS * SLOT)
}

/// Returns the memory of frames of other streams that waiting frames pin, because one read received them together.
fn pinned(limits: &Limits, shape: Shape) -> Term {
    let others = (READ / frame(limits, shape)).min(shape.streams.into()).saturating_sub(1);
    shape.term(
        "HTTP/2 frames that pin others",
        limits.bytes(&H2_WINDOW).saturating_mul(others),
        format!(
            "a waiting frame of one stream pins the read buffer of {} that it shares with frames of \
             others, once for each frame in it (INITIAL_CAPACITY in tokio-util's codec/framed_impl.rs)",
            kib(READ)
        ),
    )
}
