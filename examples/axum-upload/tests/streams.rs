//! The proof that the handler streams.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::Request,
};
use futures_util::stream;
use longhaul_prove::assert_constant_memory;
use tower::ServiceExt as _;

#[test]
fn an_upload_of_any_size_takes_the_same_memory() {
    assert_constant_memory!([32 << 20, 128 << 20, 512 << 20], |bytes| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let chunk = Bytes::from(vec![b'\n'; 1 << 16]);
        let chunks = (0..bytes >> 16).map(move |_| Ok::<_, Infallible>(chunk.clone()));
        let request = Request::put("/upload").body(Body::from_stream(stream::iter(chunks))).unwrap();
        let response = runtime.block_on(axum_upload::app().oneshot(request)).unwrap();
        assert_eq!(response.status(), 200);
    });
}
