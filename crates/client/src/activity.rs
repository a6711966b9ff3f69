//! The activity of a transfer: the party that it waits for. The stall timeout counts only waits for the connection.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The state of one body, and the number of its bytes that were handed to the protocol. Clones share both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU8,
    bytes: AtomicU64,
    access: AtomicU8,
}

/// The values of `access`: the body of an upload is unread until it is first polled, or withheld from then on.
const UNREAD: u8 = 0;
const READ: u8 = 1;
const WITHHELD: u8 = 2;

/// The party for which the transfer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The source of an upload, the output of a download, or the server's response. Time without bytes does not count
    /// as a stall.
    Waiting,
    /// The connection. Time without bytes counts as a stall.
    Moving,
    /// The server, which has to respond to a body that was completely handed over.
    Complete,
}

impl Activity {
    pub(crate) fn state(&self) -> State {
        match self.0.state.load(Ordering::Relaxed) {
            0 => State::Waiting,
            1 => State::Moving,
            _ => State::Complete,
        }
    }

    /// Returns the number of bytes of an upload that were handed to the protocol.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Notes that the body of an upload is read, unless it is withheld. Returns whether it may be read.
    pub(crate) fn begin(&self) -> bool {
        self.decide(READ) != WITHHELD
    }

    /// Withholds the body of an upload, unless it was read. Returns whether nothing of it was read.
    pub(crate) fn withhold(&self) -> bool {
        self.decide(WITHHELD) != READ
    }

    /// Replaces the access to an unread body, and returns the access in force. The connection may poll the body on another
    /// thread at the same time.
    fn decide(&self, access: u8) -> u8 {
        match self.0.access.compare_exchange(UNREAD, access, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => access,
            Err(decided) => decided,
        }
    }

    pub(crate) fn set(&self, state: State) {
        let value = match state {
            State::Waiting => 0,
            State::Moving => 1,
            State::Complete => 2,
        };
        self.0.state.store(value, Ordering::Relaxed);
    }
}

/// The body of an upload, which notes whether the transfer waits for the protocol or for the source. If its length is
/// `announced`, the size hint states the length, and the protocol frames the body by Content-Length.
pub(crate) struct Outgoing<B> {
    body: B,
    activity: Activity,
    announced: Option<u64>,
}

impl<B: Body<Data = Bytes>> Outgoing<B> {
    pub(crate) fn new(body: B, activity: Activity, announced: Option<u64>) -> Self {
        Self { body, activity, announced }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if !self.activity.begin() {
            // The exchange is over, and its connection is about to be closed.
            return Poll::Pending;
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.activity.set(State::Waiting);
            return Poll::Pending;
        };
        if let Some(Ok(frame)) = &frame {
            let passed = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.announced = self.announced.map(|announced| announced.saturating_sub(passed));
            self.activity.0.bytes.fetch_add(passed, Ordering::Relaxed);
        }
        let is_over = frame.is_none() || self.body.is_end_stream();
        self.activity.set(if is_over { State::Complete } else { State::Moving });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The body of a download, which notes whether the transfer waits for the protocol or for the output.
pub(crate) struct Incoming<B> {
    body: B,
    activity: Activity,
}

impl<B> Incoming<B> {
    pub(crate) fn new(body: B, activity: Activity) -> Self {
        Self { body, activity }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Incoming<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.activity.set(State::Moving);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.activity.set(State::Waiting);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;

    /// Returns a body of one chunk that never ends.
    fn endless() -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let one = stream::iter([Ok(Frame::data(Bytes::from("abc")))]);
        StreamBody::new(Box::pin(one.chain(stream::pending())))
    }

    fn pending<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_frame(&mut cx).is_pending()
    }

    #[tokio::test]
    async fn an_upload_waits_for_its_source_then_for_the_protocol_then_for_the_response() {
        let activity = Activity::default();
        assert_eq!(activity.state(), State::Waiting);
        let mut body = Outgoing::new(endless(), activity.clone(), None);
        assert_eq!(body.size_hint().exact(), None);
        body.frame().await.unwrap().unwrap();
        assert_eq!(activity.state(), State::Moving);
        assert!(pending(&mut body));
        assert_eq!(activity.state(), State::Waiting);

        let mut body = Outgoing::new(Full::from("abc"), activity.clone(), Some(3));
        assert_eq!(body.size_hint().exact(), Some(3));
        body.frame().await.unwrap().unwrap();
        assert_eq!((body.size_hint().exact(), activity.state()), (Some(0), State::Complete));
        assert_eq!(activity.bytes(), 6);
    }

    #[tokio::test]
    async fn a_body_is_either_read_or_withheld() {
        let activity = Activity::default();
        let mut body = Outgoing::new(Full::from("abc"), activity.clone(), None);
        assert!(activity.withhold() && pending(&mut body) && activity.withhold());
        assert_eq!((activity.bytes(), activity.state()), (0, State::Waiting));
        let activity = Activity::default();
        let mut body = Outgoing::new(endless(), activity.clone(), None);
        assert!(!pending(&mut body) && !activity.withhold());
        assert!(pending(&mut body) && !activity.withhold());
    }

    #[tokio::test]
    async fn a_download_waits_for_its_output_unless_it_waits_for_the_protocol() {
        let activity = Activity::default();
        let mut body = Incoming::new(endless(), activity.clone());
        body.frame().await.unwrap().unwrap();
        assert_eq!(activity.state(), State::Waiting);
        assert!(pending(&mut body));
        assert_eq!(activity.state(), State::Moving);
    }
}
