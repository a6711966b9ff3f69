//! A client that writes HTTP/2 frame by frame.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

/// The longest that a frame may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame (RFC 9113 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Returns the number at the end of the fixed part of RST_STREAM, WINDOW_UPDATE and GOAWAY.
    pub fn number(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// Returns the bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&frame_head(payload.len(), kind, flags, stream), payload].concat()
}

/// Returns the head of a frame.
pub fn frame_head(length: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat()
}

/// Returns the payload of SETTINGS.
pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pair = |(name, value): &(u16, u32)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat();
    pairs.iter().flat_map(pair).collect()
}

/// Returns field lines as literals without indexing (RFC 7541 section 6.2.2).
pub fn fields(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0);
        for text in [name, value] {
            // A length over 126 takes more than one byte.
            let length = text.len();
            match length {
                0..127 => block.push(length as u8),
                _ => block.extend([127, 0x80 | (length - 127) as u8 & 0x7f, ((length - 127) >> 7) as u8]),
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Returns the field lines of a request, with further ones.
pub fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)];
    fields(&[&own[..], more].concat())
}

/// A client that has exchanged SETTINGS with a server.
pub struct Client {
    stream: TcpStream,
    /// The settings of the server.
    settings: Vec<u8>,
}

impl Client {
    /// Connects, and exchanges SETTINGS.
    pub fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { stream, settings: Vec::new() };
        client.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, b"")[..]].concat());
        let first = client.next().unwrap();
        assert_eq!(
            (first.kind, first.flags),
            (SETTINGS, 0),
            "the preface of a server is SETTINGS (section 3.4)"
        );
        client.settings = first.payload;
        client.send(&frame(SETTINGS, ACK, 0, b""));
        client.until(|frame| (frame.kind, frame.flags) == (SETTINGS, ACK));
        client
    }

    /// Returns a setting of the server.
    pub fn setting(&self, name: u16) -> Option<u32> {
        let found = self.settings.chunks(6).find(|pair| pair[..2] == name.to_be_bytes())?;
        Some(u32::from_be_bytes(found[2..].try_into().unwrap()))
    }

    /// Sends bytes. The server may have closed the connection before all are written.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Returns the next frame; `None` at the end of the connection. Panics if nothing comes.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.read(&mut payload)?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("no frame in {PATIENCE:?}")
            }
            read => read.ok(),
        }
    }

    /// Reads until a frame that is wanted. Panics if the connection ends before.
    pub fn until(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().expect("a connection that goes on");
            if is_wanted(&frame) {
                return frame;
            }
        }
    }

    /// Returns all frames up to the answer to a PING. Panics if the connection ends before.
    pub fn until_pong(&mut self) -> Vec<Frame> {
        let pong = Frame { kind: PING, flags: ACK, stream: 0, payload: b"together".to_vec() };
        self.send(&frame(PING, 0, 0, &pong.payload));
        let mut seen = Vec::new();
        loop {
            let frame = self.next().expect("a connection that goes on");
            if frame == pong {
                return seen;
            }
            seen.push(frame);
        }
    }
}
