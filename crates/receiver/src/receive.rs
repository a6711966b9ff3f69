//! Draws a body to its end and accounts for it.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use metrics::{Meter, Pace, Stamp};
use serde::{Deserialize, Serialize};

use crate::{Sink, awake::Awake, save::SaveError};

/// What a receiver confirms: the response to an upload, in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Body bytes that arrived.
    pub bytes: u64,
    /// The checksum's name.
    pub algorithm: String,
    /// The checksum, in hexadecimal; `None` where the sink takes none.
    pub digest: Option<String>,
    /// The name under which the body was saved.
    pub saved: Option<String>,
    /// Seconds from the first byte awaited to the last one taken.
    pub elapsed_s: f64,
}

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection or the stream broke, or the peer gave up.
    #[error("after {received} bytes: {source}")]
    Broken {
        /// Body bytes that had arrived.
        received: u64,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It ended in good order, but not where it was to end.
    #[error("the body ended after {received} bytes instead of {expected}")]
    Length {
        /// Body bytes that arrived.
        received: u64,
        /// Body bytes that were to come.
        expected: u64,
    },
    /// It arrived, and could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// Draws `body` to its end: each piece passes `meter`, then goes to `sink`, before the next is asked for;
/// with a `pace`, not before its time. Where nothing has come, the task stays awake for `spin` before it sleeps.
///
/// # Errors
/// The body broke off, is not of the `expected` length in bytes, or could not be saved.
pub async fn receive<B>(
    body: B,
    meter: &Meter,
    mut sink: Sink,
    expected: Option<u64>,
    mut pace: Option<Pace>,
    spin: Duration,
) -> Result<Receipt, Error>
where
    B: Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let began = Stamp::now();
    let mut received = 0;
    while let Some(frame) = Awake::new(body.frame(), spin).await {
        let frame = frame.map_err(|source| Error::Broken { received, source })?;
        if let Ok(piece) = frame.into_data() {
            let length = piece.len();
            received += length as u64;
            meter.pass(length);
            sink.take(piece).await?;
            if let Some(wait) = pace.as_mut().and_then(|pace| pace.pass(length)) {
                tokio::time::sleep(wait).await;
            }
        }
    }
    if let Some(expected) = expected.filter(|expected| *expected != received) {
        return Err(Error::Length { received, expected });
    }
    let (digest, saved) = sink.finish().await?;
    Ok(Receipt {
        bytes: received,
        algorithm: payload::ALGORITHM.to_owned(),
        digest: digest.map(|digest| digest.to_string()),
        saved: saved.map(|name| name.to_string()),
        elapsed_s: began.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn whole(
        bytes: &'static [u8],
    ) -> impl Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> {
        Full::new(Bytes::from_static(bytes)).map_err(|never| match never {})
    }

    #[tokio::test]
    async fn a_receipt_tells_length_and_digest() {
        let meter = Meter::new(1);
        let receipt =
            receive(whole(b"abc"), &meter, Sink::verify(), Some(3), None, Duration::ZERO).await.unwrap();
        assert_eq!((receipt.bytes, meter.bytes()), (3, 3));
        // xxHash's own `xxhsum -H2` prints this for a file of these three bytes.
        assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
        let receipt =
            receive(whole(b"abc"), &meter, Sink::Discard, None, None, Duration::ZERO).await.unwrap();
        assert_eq!(receipt.digest, None);
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_an_error() {
        for expected in [2, 4] {
            let error =
                receive(whole(b"abc"), &Meter::new(1), Sink::Discard, Some(expected), None, Duration::ZERO)
                    .await
                    .unwrap_err();
            assert!(matches!(error, Error::Length { received: 3, .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_short_success() {
        let frames: Vec<Result<http_body::Frame<Bytes>, _>> =
            vec![Ok(http_body::Frame::data(Bytes::from_static(b"abc"))), Err("reset".into())];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let error =
            receive(body, &Meter::new(1), Sink::verify(), None, None, Duration::ZERO).await.unwrap_err();
        assert_eq!(error.to_string(), "after 3 bytes: reset");
    }
}
