//! The UDP socket below quinn, with bounds on the datagrams per system call.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use record::MAX_QUIC_MTU;
use tokio::{sync::watch, time::timeout};

use super::{mailboxes::Post, receives::Receives};
use crate::framing::SizeLog;

/// The most messages that one system call receives. Each holds one datagram, or several joined by GRO. By default quinn
/// receives 32 (BATCH_SIZE in quinn-udp) and handles all of them before the connection sees the first. With 32, a
/// receiver that falls behind holds up to 2 MiB more. Receiving four costs 1.5 % of the goodput.
pub(super) const RECEIVED_AT_ONCE: usize = 4;

/// A socket of quinn that sends fewer datagrams at once if they are large.
///
/// quinn asks for up to ten datagrams per send (MAX_TRANSMIT_SEGMENTS in its connection.rs), whatever their size. One
/// GSO send carries no more bytes than one datagram may; for more, the kernel returns EMSGSIZE. Without this wrapper,
/// quinn takes the error for a lost packet, and the path looks like a black hole.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    /// The most datagrams of one send.
    segments: usize,
    /// The most messages of one receive.
    messages: usize,
    /// The sizes of the received datagrams; `None` counts none.
    datagrams: Option<SizeLog>,
    /// The mailbox of the socket's thread; `None` for the only socket of its port.
    post: Option<Post>,
    receives: Receives,
    _open: Open,
}

/// The number of this process's sockets that carry QUIC.
static SOCKETS: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Counts a socket as open until the value is dropped.
#[derive(Debug)]
struct Open;

impl Open {
    fn begin() -> Self {
        SOCKETS.send_modify(|open| *open = open.saturating_add(1));
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        SOCKETS.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Waits until all QUIC connections of this process have told their peers that they end, but no longer than `within`.
/// Dropping a connection or a listener only begins that; the tasks of the runtime do the rest, so a program that ends
/// at once would leave its peers to their idle timeouts.
pub async fn quic_closed(within: Duration) {
    let mut open = SOCKETS.subscribe();
    // The sender is never dropped.
    let _ = timeout(within, open.wait_for(|open| *open == 0)).await;
}

impl Socket {
    /// Wraps a socket for datagrams of up to `mtu` bytes.
    pub(super) fn bounded(inner: Arc<dyn AsyncUdpSocket>, mtu: u16) -> Self {
        let admitted = (MAX_QUIC_MTU / u64::from(mtu.max(1))) as usize;
        let segments = admitted.min(inner.max_transmit_segments()).max(1);
        Self::new(inner, segments, RECEIVED_AT_ONCE)
    }

    /// Wraps a socket without bounds of longhaul's own.
    pub(super) fn unbounded(inner: Arc<dyn AsyncUdpSocket>) -> Self {
        let segments = inner.max_transmit_segments();
        Self::new(inner, segments, usize::MAX)
    }

    fn new(inner: Arc<dyn AsyncUdpSocket>, segments: usize, messages: usize) -> Self {
        let (receives, _open) = (Receives::default(), Open::begin());
        Self { inner, segments, messages, datagrams: None, post: None, receives, _open }
    }

    /// Returns the count of the calls that receive datagrams.
    pub(super) fn receives(&self) -> Receives {
        self.receives.clone()
    }

    /// Counts the received datagrams, if a log is given.
    pub(super) fn counting(self, datagrams: Option<&SizeLog>) -> Self {
        Self { datagrams: datagrams.cloned(), ..self }
    }

    /// Exchanges datagrams with the sockets of other threads, if a mailbox is given.
    pub(super) fn exchanging(self, post: Option<Post>) -> Self {
        Self { post, ..self }
    }

    /// Receives messages, which are counted, from the socket.
    fn poll_messages(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = ready!(self.inner.poll_recv(cx, bufs, meta))?;
        self.receives.add();
        self.count(meta.get(..received).unwrap_or_default());
        Poll::Ready(Ok(received))
    }

    /// Counts the datagrams of received messages.
    fn count(&self, messages: &[RecvMeta]) {
        let Some(log) = &self.datagrams else { return };
        messages.iter().for_each(|message| log.add_joined(message.len as u64, message.stride as u64));
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
        let batch = bufs.len().min(meta.len()).min(self.messages);
        let (bufs, meta) = (&mut bufs[..batch], &mut meta[..batch]);
        let Some(post) = &self.post else { return self.poll_messages(cx, bufs, meta) };
        let taken = post.take(cx, bufs, meta);
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        loop {
            let received = ready!(self.poll_messages(cx, bufs, meta))?;
            let own = post.sort(bufs, meta, received);
            if own > 0 {
                return Poll::Ready(Ok(own));
            }
        }
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
