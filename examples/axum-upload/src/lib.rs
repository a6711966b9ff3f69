//! An upload handler that counts lines, chunk by chunk.

use axum::{Router, body::Body, routing::put};
use futures_util::StreamExt as _;

/// Returns an app with the handler at `/upload`.
pub fn app() -> Router {
    Router::new().route("/upload", put(count_lines))
}

async fn count_lines(body: Body) -> String {
    let (mut chunks, mut lines) = (body.into_data_stream(), 0);
    while let Some(Ok(chunk)) = chunks.next().await {
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
    }
    lines.to_string()
}
