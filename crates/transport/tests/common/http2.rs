//! One end of HTTP/2 that writes and reads frame by frame.

use longhaul_transport::{Listener, Session};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{session, soon};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `GET /` and `PUT /` for localhost (RFC 7541).
pub(crate) const GET: &[u8] = b"\x82\x86\x84\x01\x09localhost";
pub(crate) const PUT: &[u8] = b"\x02\x03PUT\x86\x84\x01\x09localhost";

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self { kind, flags, stream, payload: payload.to_vec() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes(), &self.payload].concat()
    }

    /// Returns the error code of RST_STREAM or GOAWAY, or the increment of WINDOW_UPDATE.
    pub(crate) fn number(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// One end of a connection.
pub(crate) struct End(pub(crate) TcpStream);

impl End {
    /// Returns a client whose streams have the given initial window, and the session of the server.
    pub(crate) async fn connect(listener: &dyn Listener, window: u32) -> (Self, Box<dyn Session>) {
        let settings = Frame::new(SETTINGS, 0, 0, &[&[0, 4], &window.to_be_bytes()[..]].concat());
        let start = [PREFACE, &settings.bytes(), &Frame::new(SETTINGS, ACK, 0, b"").bytes()].concat();
        let (stream, session) = session(listener, &start).await;
        (Self(stream), session)
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.write_all(&Frame::new(kind, flags, stream, payload).bytes()).await.unwrap();
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, stream: u32) {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, GET).await;
    }

    /// Sends the head of an upload.
    pub(crate) async fn put(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS, stream, PUT).await;
    }

    pub(crate) async fn credit(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// Returns the next frame, and answers any PING before it.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        soon(self.0.read_exact(&mut head)).await.ok()?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        soon(self.0.read_exact(&mut payload)).await.ok()?;
        let frame = Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload };
        if kind == PING && flags & ACK == 0 {
            self.send(PING, ACK, 0, &frame.payload).await;
        }
        Some(frame)
    }

    /// Returns the next frame of a kind and a stream. Panics if none comes.
    pub(crate) async fn find(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("a connection that goes on");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
            assert!(frame.kind != GOAWAY || frame.number() == 0, "{frame:?}");
        }
    }

    /// Waits until the peer has handled everything sent so far.
    pub(crate) async fn synchronise(&mut self) {
        self.send(PING, 0, 0, b"together").await;
        while !matches!(
            self.next().await.expect("a connection that goes on"),
            Frame { kind: PING, flags: ACK, .. }
        ) {}
    }

    /// Returns the rest of a stream's data.
    pub(crate) async fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.find(DATA, stream).await;
            body.extend(&frame.payload);
            if frame.flags & END_STREAM != 0 {
                return body;
            }
        }
    }
}
