//! A server by axum: axum-server PORT chunks|whole. It holds whole bodies, or passes over them chunk by chunk.

use std::{convert::Infallible, env, error::Error, iter, net::Ipv4Addr};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Path,
    http::StatusCode,
    routing::{get, put},
};
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;

const CHUNK: usize = 64 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().ok_or("a port is missing")?.parse()?;
    let app = match arguments.next().as_deref() {
        Some("chunks") => Router::new().route("/", put(pass_over)).route("/{size}", get(stream_body)),
        Some("whole") => Router::new().route("/", put(collect)).route("/{size}", get(whole_body)),
        _ => return Err("chunks or whole is missing".into()),
    };
    axum::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?, app).await?;
    Ok(())
}

async fn pass_over(body: Body) -> StatusCode {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        if chunk.is_err() {
            return StatusCode::BAD_REQUEST;
        }
    }
    StatusCode::OK
}

async fn collect(body: Body) -> StatusCode {
    match to_bytes(body, usize::MAX).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

async fn stream_body(Path(size): Path<usize>) -> Body {
    let sizes = iter::successors(Some(size), |left| Some(left.saturating_sub(CHUNK)));
    let chunks = sizes.take_while(|left| *left > 0).map(|left| Bytes::from(vec![b'x'; left.min(CHUNK)]));
    Body::from_stream(stream::iter(chunks.map(Ok::<_, Infallible>)))
}

async fn whole_body(Path(size): Path<usize>) -> Body {
    Body::from(vec![b'x'; size])
}
