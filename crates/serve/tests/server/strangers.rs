//! Clients that send malformed or random bytes.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::StatusCode;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::running::{PROTOCOLS, Running, read, saving};

/// The number of panics in this process. tokio catches the panic of a task, so a test does not fail by itself.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Requests at the limits of the parsers.
const REQUESTS: &[&str] = &[
    "GET /a HTTP/1.1\r\nhost: localhost\r\nrange: bytes=18446744073709551615-18446744073709551615\r\n\r\n",
    "GET /empty HTTP/1.1\r\nhost: localhost\r\nrange: bytes=0-18446744073709551615\r\n\r\n",
    "GET /empty HTTP/1.1\r\nhost: localhost\r\nrange: bytes=-0\r\n\r\n",
    "GET /a HTTP/1.1\r\nhost: localhost\r\nrange: bytes=\u{e4}-\r\n\r\n",
    "HEAD /?size=18446744073709551615 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET /?size=18446744073709551615&chunk=1&seed=18446744073709551615 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET /?size=99999999999999999999999GiB HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET /?size=0 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET /?size=%E4&chunk=%&seed=%% HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "PUT /% HTTP/1.1\r\nhost: localhost\r\ncontent-length: 18446744073709551615\r\n\r\nx",
    "PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\nx",
    "PUT /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "CONNECT x:1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "GET http://x HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame",
    "PR",
    "\r\n\r\n",
];

/// Returns bytes that look random (a linear congruential generator with the constants of Knuth's MMIX).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..1200).map(|_| next()).collect()
}

#[tokio::test]
async fn nothing_that_a_client_sends_makes_the_server_panic() {
    panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        PANICS.fetch_add(1, Ordering::Relaxed);
    }));
    let (folder, mut options) = saving();
    options.idle_timeout = Duration::from_millis(300);
    std::fs::write(folder.path().join("a"), "0123456789").unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let server = Running::start(options);
    let noises: Vec<_> = (0..20).map(noise).collect();
    let requests = REQUESTS.iter().map(|request| request.as_bytes());
    for request in requests.chain(noises.iter().map(Vec::as_slice)) {
        for addr in [server.cleartext, server.tls] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            // The server may have closed its end before all bytes are written.
            let _ = stream.write_all(request).await;
            let _ = timeout(Duration::from_millis(20), read(&mut stream)).await;
        }
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        udp.send_to(request, server.tls).await.unwrap();
    }
    for protocol in PROTOCOLS {
        assert_eq!(server.get(protocol, "/").await.status, StatusCode::OK, "{protocol}");
    }
    timeout(Duration::from_secs(30), server.stop()).await.unwrap().unwrap();
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
