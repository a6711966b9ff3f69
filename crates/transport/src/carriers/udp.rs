//! A UDP socket that never joins more datagrams than the kernel sends at once, and takes few at a time.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};

use crate::MAX_QUIC_MTU;

/// How many messages one system call brings, each of one datagram or of as many as GRO has joined. quinn asks for
/// 32 (BATCH_SIZE in quinn-udp) and handles them all before the connection sees the first, so that a receiver
/// that comes late holds up to 2 MiB more; taking four costs 1.5 % of the goodput.
pub(super) const RECEIVED_AT_ONCE: usize = 4;

/// quinn's own socket, of which it asks for up to ten datagrams a send (MAX_TRANSMIT_SEGMENTS in its
/// connection.rs), whatever their size. One GSO send carries no more than one datagram may: the kernel refuses
/// the rest with EMSGSIZE, which quinn takes for a lost packet, so that it looks like a black hole from above.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    segments: usize,
}

impl Socket {
    /// For datagrams of up to `mtu` bytes.
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, mtu: u64) -> Arc<Self> {
        let segments =
            usize::try_from(MAX_QUIC_MTU / mtu).unwrap_or(usize::MAX).min(inner.max_transmit_segments());
        Arc::new(Self { inner, segments: segments.max(1) })
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let batch = bufs.len().min(meta.len()).min(RECEIVED_AT_ONCE);
        self.inner.poll_recv(cx, &mut bufs[..batch], &mut meta[..batch])
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.segments
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
