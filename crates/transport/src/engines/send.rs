//! The loop that sends a body on engines where each chunk waits for the carrier. (HTTP/2 waits for its window before it
//! pulls a chunk, so it has another loop.)

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt as _;

use crate::{Body, Error};

/// The sending half of an exchange.
pub(super) trait BodySink {
    /// Sends one chunk, as soon as the carrier has room for it.
    async fn send(&mut self, chunk: Bytes) -> Result<(), Error>;

    /// Sends the fields that follow the body. The raw engine has none.
    async fn send_trailers(&mut self, _trailers: HeaderMap) -> Result<(), Error> {
        Ok(())
    }

    /// Ends the body in good order.
    async fn finish(&mut self) -> Result<(), Error>;

    /// Ends the body early, so that the peer notices that it is incomplete.
    async fn abort(&mut self);
}

/// Pulls a body to its end and sends each chunk.
///
/// # Errors
/// Fails if the body failed, or the connection broke.
pub(super) async fn send(sink: &mut impl BodySink, mut body: Body) -> Result<(), Error> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => match frame.into_data() {
                Ok(chunk) => sink.send(chunk).await?,
                Err(frame) => sink.send_trailers(frame.into_trailers().unwrap_or_default()).await?,
            },
            Err(error) => {
                sink.abort().await;
                return Err(Error::body(error));
            }
        }
    }
    sink.finish().await
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A sink that notes all calls.
    #[derive(Default)]
    struct Notes(Vec<String>);

    impl BodySink for Notes {
        async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
            self.0.push(format!("{} bytes", chunk.len()));
            Ok(())
        }

        async fn finish(&mut self) -> Result<(), Error> {
            self.0.push("finish".into());
            Ok(())
        }

        async fn abort(&mut self) {
            self.0.push("abort".into());
        }
    }

    fn body(frames: Vec<Result<usize, &'static str>>) -> Body {
        let frame = |frame: Result<usize, &str>| match frame {
            Ok(length) => Ok(Frame::data(Bytes::from(vec![7; length]))),
            Err(reason) => Err(reason.into()),
        };
        StreamBody::new(iter(frames.into_iter().map(frame))).boxed_unsync()
    }

    #[tokio::test]
    async fn a_body_is_sent_chunk_by_chunk_and_finished() {
        let mut notes = Notes::default();
        send(&mut notes, body(vec![Ok(3), Ok(1)])).await.unwrap();
        assert_eq!(notes.0, ["3 bytes", "1 bytes", "finish"]);
    }

    #[tokio::test]
    async fn a_body_that_fails_is_aborted_and_never_finished() {
        let mut notes = Notes::default();
        let failed = send(&mut notes, body(vec![Ok(3), Err("no more"), Ok(1)])).await.unwrap_err();
        assert_eq!(notes.0, ["3 bytes", "abort"]);
        assert_eq!(failed.to_string(), "the body to send failed: no more");
    }
}
