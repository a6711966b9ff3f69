//! HTTP/1.1 in cleartext, written byte by byte: bodies that no library would send.

use std::{io, net::SocketAddr, time::Duration};

use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use transport::Body;

/// The time in which another response may follow.
const MORE: Duration = Duration::from_secs(1);

/// The most bytes of responses that are kept.
const KEPT: usize = 64 << 10;

/// Sends a request over a new connection. Its head announces `announced` bytes, and `sent` bytes follow. Returns the
/// statuses of all responses.
pub(super) async fn upload(
    mut stream: TcpStream,
    request: &Request<Body>,
    announced: u64,
    sent: u64,
) -> io::Result<Vec<u16>> {
    let (uri, method) = (request.uri(), request.method());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {announced}\r\n").into_bytes();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    let (mut reader, mut writer) = stream.split();
    // A server may close the connection before all bytes are sent.
    let writing = async {
        let _ = writer.write_all(&vec![b'x'; usize::try_from(sent).unwrap_or_default()]).await;
        let _ = writer.write_all(b"\r\n\r\n").await;
    };
    let mut seen = Vec::new();
    let reading = async {
        let mut pause = Duration::MAX;
        while seen.len() < KEPT {
            match timeout(pause, reader.read_buf(&mut seen)).await {
                Ok(Ok(length)) if length > 0 => pause = MORE,
                Ok(Err(error)) if seen.is_empty() => return Err(error),
                _ => break,
            }
        }
        Ok(())
    };
    let ((), read) = futures_util::future::join(writing, reading).await;
    read.map(|()| statuses(&seen))
}

/// Returns the statuses of responses: the numbers after each `HTTP/1.1 ` or `HTTP/1.0 ` at the start of a line.
fn statuses(text: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(text);
    let lines =
        text.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 ")));
    lines.filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

/// Listens, and answers every request as [`answer`] does.
pub(super) async fn serve(addr: SocketAddr, announced: u64, sent: u64) -> io::Result<()> {
    answer(TcpListener::bind(addr).await?, announced, sent).await
}

/// Answers every request with a response whose head announces `announced` bytes, and which has `sent` bytes.
pub(super) async fn answer(listener: TcpListener, announced: u64, sent: u64) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < KEPT {
            if stream.read_buf(&mut head).await? == 0 {
                break;
            }
        }
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n").into_bytes();
        response.resize(response.len().saturating_add(usize::try_from(sent).unwrap_or_default()), b'x');
        // A client may close the connection before all bytes are sent.
        let _ = stream.write_all(&response).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_has_a_status() {
        let text = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nokHTTP/1.1\r\nHTTP/1.1 400 Bad Request\r\n\r\n";
        assert_eq!(statuses(text), [201, 400]);
    }
}
