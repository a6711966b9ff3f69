//! Lines of messages in the body of a request or a response.

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde::Serialize;
use tokio::sync::mpsc;
use transport::{Body, BodyError};

/// The most lines that wait to be sent.
const WAITING: usize = 16;

/// A reader of the lines of a body.
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// The number of bytes of `buffer` that are known to contain no line break.
    searched: usize,
    /// The longest accepted line, in bytes.
    most: usize,
}

/// The reason why a body yields no further line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinesError {
    /// The body has ended.
    #[error("it has ended")]
    Ended,
    /// The connection broke.
    #[error("{0}")]
    Broken(#[source] BodyError),
    /// A line is too long.
    #[error("a line is longer than {0} bytes")]
    TooLong(usize),
}

impl Lines {
    /// Returns a reader of the lines of a body, none longer than `most` bytes.
    pub(super) fn of(body: Body, most: usize) -> Self {
        Self { body, buffer: Vec::new(), searched: 0, most }
    }

    /// Returns the next line, without its line break. Cancel-safe.
    ///
    /// # Errors
    /// Fails at the end of the body, if the connection broke, or if the line is too long.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, LinesError> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                let end = self.searched.saturating_add(at);
                self.searched = 0;
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return if line.len() > self.most { Err(LinesError::TooLong(self.most)) } else { Ok(line) };
            }
            self.searched = self.buffer.len();
            if self.searched > self.most {
                return Err(LinesError::TooLong(self.most));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(LinesError::Broken(error)),
                None => return Err(LinesError::Ended),
            }
        }
    }
}

/// A writer of the lines of a body. Dropping it ends the body.
#[derive(Clone)]
pub(super) struct LineWriter(mpsc::Sender<Bytes>);

impl LineWriter {
    /// Returns a writer, and the body that it writes.
    pub(super) fn new() -> (Self, Body) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let frames = stream::unfold(receiver, |mut receiver| async {
            let line: Bytes = receiver.recv().await?;
            Some((Ok(Frame::data(line)), receiver))
        });
        (Self(sender), StreamBody::new(frames).boxed_unsync())
    }

    /// Writes a message as a line, and waits while [`WAITING`] lines are unsent.
    ///
    /// # Errors
    /// Fails once the body is no longer read.
    pub(super) async fn write(&self, message: &impl Serialize) -> Result<(), Gone> {
        self.0.send(line(message)?).await.map_err(|_| Gone)
    }
}

/// The error of a writer whose body is no longer read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

fn line(message: &impl Serialize) -> Result<Bytes, Gone> {
    let mut line = serde_json::to_vec(message).map_err(|_| Gone)?;
    line.push(b'\n');
    Ok(line.into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Returns a body of these pieces.
    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from(*piece)))).collect();
        StreamBody::new(stream::iter(pieces)).boxed_unsync()
    }

    async fn lines(pieces: &[&'static str], most: usize) -> (Vec<String>, String) {
        let (mut lines, mut found) = (Lines::of(body(pieces), most), Vec::new());
        loop {
            match lines.next().await {
                Ok(line) => found.push(String::from_utf8(line).unwrap()),
                Err(error) => return (found, error.to_string()),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_found_however_the_body_is_cut() {
        let (found, end) = lines(&["a", "b\n\ncd", "\n", "e\nf"], 10).await;
        assert_eq!(
            (found, end.as_str()),
            (["ab", "", "cd", "e"].map(str::to_owned).to_vec(), "it has ended")
        );
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_before_it_takes_memory() {
        let (found, end) = lines(&["ok\n", "12345", "678901"], 10).await;
        assert_eq!((found.len(), end.as_str()), (1, "a line is longer than 10 bytes"));
        let (_, end) = lines(&["12345678901\n"], 10).await;
        assert_eq!(end, "a line is longer than 10 bytes");
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_dropping_the_writer_ends_the_body() {
        let (writer, body) = LineWriter::new();
        writer.write(&"one").await.unwrap();
        writer.write(&2).await.unwrap();
        drop(writer);
        let mut lines = Lines::of(body, 10);
        assert_eq!(lines.next().await.unwrap(), br#""one""#);
        assert_eq!(lines.next().await.unwrap(), b"2");
        assert!(matches!(lines.next().await, Err(LinesError::Ended)));
    }

    #[tokio::test]
    async fn a_writer_without_a_reader_says_so() {
        let (writer, body) = LineWriter::new();
        for n in 0..WAITING {
            writer.write(&n).await.unwrap();
        }
        assert!(writer.write(&0).now_or_never().is_none(), "no more lines wait");
        drop(body);
        assert_eq!(writer.write(&0).await, Err(Gone));
    }
}
