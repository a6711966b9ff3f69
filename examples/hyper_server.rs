//! A server by hyper over HTTP/1.1 in cleartext: it gives bodies of any size (`/SIZE`) and takes uploads.
//!
//! With `pipelined`, hyper's option `pipeline_flush` is on: hyper then buffers what a body yields without a bound. With
//! `plain`, it is off, as by default. `longhaul conform` tells them apart:
//!
//! ```sh
//! longhaul conform 'http://127.0.0.1:{port}/' --download 'http://127.0.0.1:{port}/{size}' --case stalled-reader \
//!     -- target/debug/examples/hyper_server {port} pipelined
//! ```

use std::{convert::Infallible, env, error::Error, net::Ipv4Addr};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The bytes that a body yields at once.
const CHUNK: usize = 64 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().ok_or("a port is missing")?.parse()?;
    let is_pipelined = arguments.next().as_deref() == Some("pipelined");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let mut server = http1::Builder::new();
        server.pipeline_flush(is_pipelined);
        tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(
    mut request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    if request.method() == Method::GET {
        let size = request.uri().path().trim_matches('/').parse().unwrap_or(0);
        return Ok(Response::new(body(size)));
    }
    // An upload that breaks off needs no answer.
    while let Some(Ok(_)) = request.body_mut().frame().await {}
    Ok(Response::new(body(0)))
}

/// Returns a body that always has the next chunk ready.
fn body(size: usize) -> UnsyncBoxBody<Bytes, Infallible> {
    let sizes = std::iter::successors(Some(size), |left| Some(left.saturating_sub(CHUNK)));
    let chunks =
        sizes.take_while(|left| *left > 0).map(|left| Ok(Frame::data(vec![b'x'; left.min(CHUNK)].into())));
    StreamBody::new(stream::iter(chunks)).boxed_unsync()
}
