//! The HTTP proxy between a client and a server: its parameters, and the tunnel that it opens.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header, uri::Authority};
use http_body_util::Empty;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{BodyError, Error, Peer, tcp_stream::SharedStream};

/// An HTTP proxy, which is dialled in place of the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Proxy {
    /// The way to the server.
    pub way: ProxyWay,
    /// The value of Proxy-Authorization; `None` for no such field.
    pub authorization: Option<HeaderValue>,
}

/// The way from a proxy to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyWay {
    /// A tunnel to this host and port, which the proxy opens for CONNECT (RFC 9110 section 9.3.6).
    Tunnel(Authority),
    /// Requests for this host in absolute form, which the proxy forwards (RFC 9112 section 3.2.2): HTTP/1.1 in
    /// cleartext.
    Forward(Authority),
}

impl Proxy {
    /// Returns a proxy without credentials that reaches the server by `way`.
    pub fn new(way: ProxyWay) -> Self {
        Self { way, authorization: None }
    }

    /// Sets the value of Proxy-Authorization; `None` sends none.
    #[must_use]
    pub fn with_authorization(self, authorization: impl Into<Option<HeaderValue>>) -> Self {
        Self { authorization: authorization.into(), ..self }
    }
}

/// Opens the tunnel of a peer that is behind a proxy. Any other stream is returned as it is.
///
/// # Errors
/// Fails if the proxy opens no tunnel.
pub(crate) async fn tunnelled(stream: SharedStream, peer: &Peer) -> Result<SharedStream, Error> {
    let Some(Proxy { way: ProxyWay::Tunnel(server), authorization }) = &peer.proxy else { return Ok(stream) };
    let mut request = Request::connect(server.as_str()).header(header::HOST, server.as_str());
    if let Some(value) = authorization {
        request = request.header(header::PROXY_AUTHORIZATION, value);
    }
    let opened = async { open(stream, request.body(Empty::new())?).await };
    opened.await.map_err(|source| Error::Proxy { addr: peer.addr, source })
}

async fn open(stream: SharedStream, request: Request<Empty<Bytes>>) -> Result<SharedStream, BodyError> {
    let server = request.uri().to_string();
    let (mut requests, connection) = Builder::new().handshake(TokioIo::new(Sparing(stream))).await?;
    let response = async {
        let status = requests.send_request(request).await?.status();
        if status.is_success() { Ok(()) } else { Err(BodyError::from(Refused { status, server })) }
    };
    let ended = async { connection.without_shutdown().await.map_err(BodyError::from) };
    let ((), parts) = tokio::try_join!(response, ended)?;
    Ok(parts.io.into_inner().0)
}

/// The response of a proxy that opens no tunnel.
#[derive(Debug, thiserror::Error)]
#[error("it answered {status} to CONNECT {server}")]
struct Refused {
    status: StatusCode,
    server: String,
}

/// A stream that yields one byte per read, so that reading the head of a response takes no byte that follows it in the
/// tunnel.
#[derive(Debug)]
struct Sparing(SharedStream);

impl AsyncRead for Sparing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
        buffer.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sparing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        Trust,
        socket::{TcpOptions, connect},
    };

    /// Connects through a proxy that answers `answer`. Returns the request that the proxy received, and the bytes that
    /// the tunnel yields afterwards.
    async fn tunnel(answer: &'static str) -> (Result<String, Error>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = ProxyWay::Tunnel("[::1]:443".parse().unwrap());
        let proxy = Proxy::new(way).with_authorization(HeaderValue::from_static("Basic eDp5"));
        let addr: SocketAddr = listener.local_addr().unwrap();
        let peer = Peer::new(addr, "x", Trust::AnyCertificate).with_proxy(proxy);
        let options = TcpOptions::default();
        let dialled = async {
            let mut stream = connect(&peer, &options).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            Ok(text)
        };
        let answered = async {
            let (mut far, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(far.read_u8().await.unwrap());
            }
            far.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(head).unwrap()
        };
        tokio::join!(dialled, answered)
    }

    #[tokio::test]
    async fn a_tunnel_has_all_bytes_behind_the_head_of_its_response() {
        for answer in [
            "HTTP/1.1 200 Connection established\r\n\r\nsettings",
            "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nsettings",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 x\r\nVia: y\r\n\r\nsettings",
        ] {
            let (read, asked) = tunnel(answer).await;
            assert_eq!(read.unwrap(), "settings");
            let asked = asked.to_lowercase();
            assert!(asked.starts_with("connect [::1]:443 http/1.1\r\n"), "{asked}");
            assert!(asked.contains("\r\nhost: [::1]:443\r\n"), "{asked}");
            assert!(asked.contains("\r\nproxy-authorization: basic edp5\r\n"), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_opens_no_tunnel_is_named_with_its_status() {
        for (answer, part) in [
            (
                "HTTP/1.1 407 x\r\nContent-Length: 9\r\n\r\n",
                "407 Proxy Authentication Required to CONNECT [::1]:443",
            ),
            ("HTTP/1.1 301 x\r\nLocation: http://y/\r\n\r\n", "301 Moved Permanently"),
            ("SSH-2.0-x\r\n\r\n", "invalid HTTP version"),
            ("", "connection closed"),
        ] {
            let error = tunnel(answer).await.0.unwrap_err().to_string();
            assert!(error.contains("through the proxy 127.0.0.1:") && error.contains(part), "{error}");
        }
    }
}
