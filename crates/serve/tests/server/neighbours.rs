//! Requests that share a connection: the failure of one does not affect the others.

use std::{convert::Infallible, time::Duration};

use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use longhaul_serve::Options;
use record::{ByteSize, H2_WINDOW, Limits, QUIC_WINDOW};
use tokio::{sync::mpsc, time::timeout};
use transport::{Body, Connection, Error, body};

use crate::running::{Answer, Running, request};

/// The protocols whose connections carry several requests at once.
const MULTIPLEXED: [&str; 3] = ["h2c", "h2", "h3"];

const CHUNK: usize = 1 << 14;

/// A time after which a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns a body whose chunks are sent one by one.
pub(crate) fn piecewise() -> (mpsc::Sender<usize>, Body) {
    let (chunks, sent) = mpsc::channel::<usize>(1);
    let frames = futures_util::stream::unfold(sent, async |mut sent| {
        let length = sent.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes::Bytes::from(vec![7; length]))), sent))
    });
    (chunks, StreamBody::new(frames).map_err(Into::into).boxed_unsync())
}

/// Returns options with an idle timeout of half a second, and a limit of 1 MiB on bodies.
fn options() -> Options {
    let mut options = Options::default();
    options.idle_timeout = Duration::from_millis(500);
    options.min_rate = None;
    options.max_body = Some(ByteSize(1 << 20));
    options
}

/// Returns client limits with small windows, so that a server soon waits for the client.
fn narrow() -> Limits {
    let mut limits = Limits::default();
    limits.set(&H2_WINDOW, record::LimitValue::Bytes(1 << 16)).unwrap();
    limits.set(&QUIC_WINDOW, record::LimitValue::Bytes(1 << 16)).unwrap();
    limits
}

async fn sent(connection: &dyn Connection, request: Request<Body>) -> Result<Answer, Error> {
    let response = timeout(PATIENCE, connection.exchange(request)).await.unwrap()?;
    Ok(timeout(PATIENCE, Answer::of(response)).await.unwrap())
}

/// Runs `trouble` on the connection of an upload whose chunks go on meanwhile. Asserts that the upload and a later
/// request succeed.
async fn beside_an_upload(protocol: &str, trouble: impl AsyncFnOnce(&dyn Connection)) {
    let server = Running::start(options());
    let connection = server.dial_with(protocol, &narrow()).await;
    let connection = connection.as_ref();
    let (chunks, body) = piecewise();
    let upload = sent(connection, request(protocol, Method::PUT, "/", body));
    let (done, mut ended) = tokio::sync::oneshot::channel::<()>();
    let feed = async {
        let mut bytes = 0;
        while ended.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            chunks.send(CHUNK / 16).await.unwrap();
            bytes += CHUNK / 16;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(chunks);
        bytes
    };
    let troubled = async {
        trouble(connection).await;
        done.send(()).unwrap();
    };
    let (answer, bytes, ()) = tokio::join!(upload, feed, troubled);
    let answer = answer.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{protocol}: {}", answer.text());
    assert!(answer.text().contains(&format!("\"bytes\":{bytes},")), "{protocol}: {}", answer.text());
    let later = sent(connection, request(protocol, Method::GET, "/?size=5", body::empty())).await.unwrap();
    assert_eq!(later.body.len(), 5, "{protocol}");
}

#[tokio::test]
async fn a_cancelled_download_leaves_the_others_alone() {
    for protocol in MULTIPLEXED {
        beside_an_upload(protocol, async |connection| {
            let get = request(protocol, Method::GET, "/?size=1GiB", body::empty());
            let mut response = connection.exchange(get).await.unwrap();
            response.body_mut().frame().await.unwrap().unwrap();
            drop(response);
            tokio::time::sleep(Duration::from_millis(700)).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_stalled_download_is_reset_and_leaves_the_others_alone() {
    for protocol in MULTIPLEXED {
        beside_an_upload(protocol, async |connection| {
            let get = request(protocol, Method::GET, "/?size=1GiB", body::empty());
            let response = connection.exchange(get).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let read = timeout(PATIENCE, response.into_body().collect()).await.unwrap();
            assert!(read.is_err(), "{protocol}: a download that stood still for three idle timeouts went on");
        })
        .await;
    }
}

#[tokio::test]
async fn a_refused_and_a_stalled_upload_leave_the_others_alone() {
    for protocol in MULTIPLEXED {
        beside_an_upload(protocol, async |connection| {
            let large = request(protocol, Method::PUT, "/", body::full(vec![7; (1 << 20) + 1]));
            assert_eq!(sent(connection, large).await.unwrap().status.as_u16(), 413, "{protocol}");
            let (chunks, body) = piecewise();
            chunks.send(CHUNK).await.unwrap();
            let stalled = sent(connection, request(protocol, Method::PUT, "/", body)).await.unwrap();
            assert_eq!(stalled.status.as_u16(), 408, "{protocol}");
            assert_eq!(stalled.text(), "no byte came for 0.5 s\n");
        })
        .await;
    }
}
