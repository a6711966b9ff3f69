//! Hostile clients of every kind at once: the memory of a server, and the waiting time of a well-behaved client.
//!
//! The environment variable LONGHAUL_HOSTILE sets the number of connections. The default is a tenth of the thousand for
//! which the bounds are meant.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use http::Request;
use metrics::Stamp;
use record::{H2_WINDOW, LimitValue, Limits, QUIC_WINDOW};
use transport::{Connection, Peer, Trust, body};

use crate::common::server::Server;

/// The most memory of a server with default limits, in bytes.
const MOST: u64 = 256 << 20;

/// The number of kinds of hostile connections.
const KINDS: usize = 10;

/// The number of streams of a hostile connection over HTTP/2 or HTTP/3.
const STREAMS: usize = 4;

fn connections() -> usize {
    std::env::var("LONGHAUL_HOSTILE").ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// Returns a frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Returns the preface of HTTP/2 with windows of zero, and requests for the front page.
fn without_window() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for stream in 0..STREAMS as u8 {
        bytes.extend(frame(1, 5, 2 * stream + 1, b"\x82\x86\x84\x01\x09localhost"));
    }
    bytes
}

/// Returns an upload over HTTP/2 whose first frame stops before its last byte.
fn unfinished_frame() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, 4, 1, b"\x02\x03PUT\x86\x04\x02/a\x01\x09localhost"));
    let data = frame(0, 0, 1, &[7; 60_000]);
    bytes.extend(&data[..data.len() - 1]);
    bytes
}

/// Opens connections over TCP that each send some bytes and then neither read nor write.
fn raw(server: &Server, count: usize) -> Vec<TcpStream> {
    let long_head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}", "x".repeat(15_000));
    let kinds: [(&str, Vec<u8>); 7] = [
        (server.cleartext(), Vec::new()),
        (server.tls(), Vec::new()),
        (server.cleartext(), long_head.into_bytes()),
        (
            server.cleartext(),
            b"PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999\r\n\r\nx".to_vec(),
        ),
        (server.cleartext(), b"GET /saved HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        (server.cleartext(), without_window()),
        (server.cleartext(), unfinished_frame()),
    ];
    let connect = |(addr, bytes): &(&str, Vec<u8>)| {
        let mut stream = TcpStream::connect(addr).unwrap();
        // A server that is full refuses the connection.
        let _ = stream.write_all(bytes);
        stream
    };
    kinds.iter().flat_map(|kind| std::iter::repeat_n(kind, count)).map(connect).collect()
}

/// Opens connections that request endless bodies of many seeds, with windows of a byte, and read nothing.
async fn unread(server: &Server, protocol: &str, count: usize) -> Vec<Box<dyn Connection>> {
    let mut limits = Limits::default();
    limits.set(&H2_WINDOW, LimitValue::Bytes(1)).unwrap();
    limits.set(&QUIC_WINDOW, LimitValue::Bytes(1)).unwrap();
    let transport = transport::by_name(protocol).unwrap();
    let secured = transport.protocol().is_encrypted();
    let addr = if secured { server.tls() } else { server.cleartext() };
    let trust = Trust::pem(&std::fs::read_to_string(server.certificate()).unwrap()).unwrap();
    let peer = Peer::new(addr.parse().unwrap(), "localhost", trust);
    let mut connections = Vec::new();
    for number in 0..count {
        let connection = transport.connect(&peer, &limits).await.unwrap();
        for stream in 0..STREAMS {
            let seed = number * STREAMS + stream;
            let uri =
                format!("{}://localhost/?size=1TiB&chunk=1MiB&seed={seed}", transport.protocol().scheme());
            let request = Request::get(uri).body(body::empty()).unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(100), connection.exchange(request)).await;
        }
        connections.push(connection);
    }
    connections
}

/// Returns the median time that a well-behaved client waits for the front page.
fn neighbour(server: &Server) -> Duration {
    let mut waits: Vec<Duration> = (0..15)
        .map(|_| {
            let began = Stamp::now();
            let mut stream = TcpStream::connect(server.cleartext()).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            began.elapsed()
        })
        .collect();
    waits.sort();
    waits[waits.len() / 2]
}

#[tokio::test]
async fn a_thousand_hostile_connections_take_bounded_memory_and_no_neighbours_time() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::File::create(folder.path().join("saved")).unwrap().set_len(1 << 30).unwrap();
    let server = Server::start(&["--sink", &format!("save:{}", folder.path().display())]);
    let before = neighbour(&server);
    let count = connections() / KINDS;
    let mut unread_ones = Vec::new();
    for protocol in ["h2c", "h2", "h3"] {
        unread_ones.extend(unread(&server, protocol, count).await);
    }
    let _raw = raw(&server, count);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (wait, peak) = (neighbour(&server), server.peak_rss());
    eprintln!(
        "{} hostile connections: peak RSS {:.1} MiB; a neighbour waits {wait:?}, {before:?} without them",
        count * KINDS,
        record::mib(peak)
    );
    assert!(peak <= MOST, "{:.1} MiB", record::mib(peak));
    // The bound is generous, since the machine of the test may be busy.
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
}

/// Sends the first packets of clients that never receive an answer, each from a different address.
async fn first_packets(server: &Server, count: usize) {
    let transport = transport::by_name("h3").unwrap();
    for _ in 0..count {
        // The packet of a client ends here, and is forwarded from another address.
        let trap = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer::new(trap.local_addr().unwrap(), "localhost", Trust::AnyCertificate);
        let limits = Limits::default();
        let mut packet = [0; 2000];
        let length = tokio::select! {
            _ = transport.connect(&peer, &limits) => panic!("nobody answered"),
            length = trap.recv(&mut packet) => length.unwrap(),
        };
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(&packet[..length], server.tls()).unwrap();
    }
}

#[tokio::test]
async fn first_packets_of_quic_take_no_memory_that_the_server_has_not_at_its_start() {
    let server = Server::start(&["--max-connections", "1"]);
    let held = TcpStream::connect(server.cleartext()).unwrap();
    (&held).write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    (&held).read_exact(&mut [0; 12]).unwrap();
    let before = server.rss();
    first_packets(&server, 200).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = server.rss().saturating_sub(before);
    assert!(grown < 1 << 20, "{:.2} MiB more than {:.1}", record::mib(grown), record::mib(before));
}
