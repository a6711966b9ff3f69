//! HTTP/1.1 bodies with chunks of exactly the chunk size on the wire. A raw socket parses them.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use longhaul_transport::{Bind, Body, BodyError, Peer, Trust, body::empty, by_name};
use record::Limits;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// The chunk sizes that are tested, in bytes.
const CHUNKS: [usize; 6] = [1, 100, 16_384, 65_527, 65_563, 1 << 20];

/// Chunks of one size, and a shorter one at the end.
struct Chunks {
    size: usize,
    left: usize,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let length = self.size.min(self.left);
        self.left -= length;
        Poll::Ready((length > 0).then(|| Ok(Frame::data(Bytes::from(vec![b'x'; length])))))
    }
}

fn body(size: usize) -> Body {
    Chunks { size, left: 5 * size + size / 2 }.boxed_unsync()
}

/// Reads a message; returns its head, and the sizes of its chunks up to the last, empty one.
async fn read_chunked(stream: &mut BufReader<TcpStream>) -> (String, Vec<usize>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await.unwrap();
    }
    let mut sizes = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        assert!(chunk.ends_with(b"\r\n"));
        if size == 0 {
            return (head.to_lowercase(), sizes);
        }
        sizes.push(size);
    }
}

fn assert_exact(head: &str, sizes: &[usize], chunk: usize) {
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    let mut expected = vec![chunk; 5];
    expected.extend(Some(chunk / 2).filter(|rest| *rest > 0));
    assert_eq!(sizes, expected);
}

#[tokio::test]
async fn an_upload_has_one_chunk_per_piece() {
    for size in CHUNKS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = async {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let (head, sizes) = read_chunked(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            (head, sizes)
        };
        let client = async {
            let peer = Peer::new(addr, "localhost", Trust::SystemRoots);
            let connection = by_name("h1c").unwrap().connect(&peer, &Limits::default()).await.unwrap();
            let request = Request::builder().method(Method::PUT).uri(format!("http://{addr}/a?b=c"));
            connection.exchange(request.body(body(size)).unwrap()).await.unwrap()
        };
        let ((head, sizes), response) = tokio::join!(server, client);
        assert!(
            head.starts_with("put /a?b=c http/1.1\r\n") && head.contains(&format!("host: {addr}")),
            "{head}"
        );
        assert_exact(&head, &sizes, size);
        assert!(response.status().is_success());
    }
}

#[tokio::test]
async fn a_download_has_one_chunk_per_piece() {
    for size in CHUNKS {
        let bind = Bind::new("127.0.0.1:0".parse().unwrap());
        let listener = by_name("h1c").unwrap().listen(&bind, &Limits::default()).unwrap();
        let addr = listener.local_addr();
        let server = async {
            let session = listener.accept().await.unwrap().handshake.await.unwrap();
            let incoming = session.accept().await.unwrap().unwrap();
            incoming.responder.respond(Response::new(body(size))).await.unwrap();
            session.accept().await.unwrap();
        };
        let client = async {
            let mut stream = BufReader::new(TcpStream::connect(addr).await.unwrap());
            stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
            read_chunked(&mut stream).await
        };
        let ((), (head, sizes)) = tokio::join!(server, client);
        assert_exact(&head, &sizes, size);
    }
}

#[tokio::test]
async fn a_request_without_a_body_is_not_chunked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = async {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        head.to_lowercase()
    };
    let client = async {
        let peer = Peer::new(addr, "localhost", Trust::SystemRoots);
        let connection = by_name("h1c").unwrap().connect(&peer, &Limits::default()).await.unwrap();
        let request = Request::builder().uri(format!("http://{addr}/")).body(empty()).unwrap();
        let mut body = connection.exchange(request).await.unwrap().into_body();
        assert!(body.frame().await.is_none());
    };
    let (head, ()) = tokio::join!(server, client);
    assert!(!head.contains("transfer-encoding"), "{head}");
}
