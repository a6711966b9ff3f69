//! The bound on concurrent requests of one connection.

use std::{pin::pin, time::Duration};

use http::{Method, StatusCode};
use longhaul_serve::Options;
use tokio::time::timeout;
use transport::body;

use crate::running::{Running, request};

#[tokio::test]
async fn a_request_beyond_the_streams_of_a_connection_waits_for_another_to_end() {
    for protocol in ["h2c", "h2", "h3"] {
        let mut options = Options::default();
        options.guards.streams = 2;
        let server = Running::start(options);
        let connection = server.dial(protocol).await;
        let get = |path: &str| connection.exchange(request(protocol, Method::GET, path, body::empty()));
        let (first, second) = (get("/?size=1GiB").await.unwrap(), get("/?size=1GiB").await.unwrap());
        let mut third = pin!(get("/?size=5"));
        assert!(
            timeout(Duration::from_millis(300), &mut third).await.is_err(),
            "{protocol}: a third at once"
        );
        drop(first);
        let answer = timeout(Duration::from_secs(20), third).await.expect(protocol).unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{protocol}");
        drop(second);
    }
}
