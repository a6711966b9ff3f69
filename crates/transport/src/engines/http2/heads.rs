//! A bound on the heads of requests that wait on a connection. h2 decodes a head as soon as it has read it,
//! and a byte of HPACK may stand for a field of 4 KiB. Without a bound, a few KiB from the client would
//! become the heads of all streams of the connection at once.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    request::Parts,
    uri::{Authority, PathAndQuery},
};

use crate::guards::LEAST_BLOCK;

/// The multiple of the largest head that the frames of one head may have in all. A string of HPACK that is
/// incomplete is kept until its end arrives. Larger heads in one frame are answered with status 431.
const LARGEST_BLOCK: u64 = 2;

/// The heads that wait on a connection. A connection is not read while one of them waits.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    state: Arc<Mutex<State>>,
    /// The most bytes that the frames of one head may have.
    most: u64,
}

#[derive(Debug, Default)]
struct State {
    /// True if h2 has read a part of a head, and may not have handed all of its requests over.
    is_reading: bool,
    /// The requests that were handed over, and that the session has not accepted.
    waiting: u32,
    /// The bytes of the head that is being read.
    block: u64,
    /// The extent to which the client has exceeded the size of a head.
    excess: Excess,
    /// The reader that waits until the connection may be read.
    reader: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Excess {
    #[default]
    None,
    Found,
    Told,
}

impl Heads {
    /// Returns the heads of a connection whose heads may have `header_bytes` each.
    pub(super) fn new(header_bytes: u32) -> Self {
        let most = u64::from(header_bytes).saturating_mul(LARGEST_BLOCK).max(LEAST_BLOCK);
        Self { state: Arc::default(), most }
    }

    /// Notes a HEADERS frame with `length` bytes, of a head or of trailers.
    pub(super) fn begun(&self, length: u32) {
        let state = &mut *self.lock();
        (state.is_reading, state.block) = (true, length.into());
    }

    /// Notes a CONTINUATION frame with `length` bytes.
    pub(super) fn continued(&self, length: u32) {
        let state = &mut *self.lock();
        (state.is_reading, state.block) = (true, state.block.saturating_add(length.into()));
        if state.block > self.most && state.excess == Excess::None {
            state.excess = Excess::Found;
        }
    }

    /// Notes that h2 has handed over all requests that it has read. Returns whether the connection should be
    /// read again.
    pub(super) fn settle(&self) -> bool {
        let state = &mut *self.lock();
        state.is_reading = false;
        state.is_open() && state.reader.take().is_some()
    }

    /// Returns true once, if the frames of a head have exceeded their size. The connection is not read any further.
    pub(super) fn take_excess(&self) -> bool {
        let state = &mut *self.lock();
        let is_found = state.excess == Excess::Found;
        if is_found {
            state.excess = Excess::Told;
        }
        is_found
    }

    /// Returns whether the frames of a head have exceeded their size.
    pub(super) fn is_excessive(&self) -> bool {
        self.lock().excess != Excess::None
    }

    /// Counts a head that was handed over, until the returned value is dropped.
    pub(super) fn handed_over(&self) -> WaitingHead {
        let state = &mut *self.lock();
        state.waiting = state.waiting.saturating_add(1);
        WaitingHead(self.clone())
    }

    /// Waits until the connection may be read.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let state = &mut *self.lock();
        if state.is_open() && !state.is_reading {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_open(&self) -> bool {
        self.waiting == 0 && self.excess == Excess::None
    }
}

/// A head that was handed over and is not accepted.
#[derive(Debug)]
pub(super) struct WaitingHead(Heads);

impl Drop for WaitingHead {
    fn drop(&mut self) {
        let state = &mut *self.0.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if state.is_open()
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
    }
}

/// Copies the strings of a head into memory of their own. h2 slices them from its read buffers, and a head of
/// a few bytes may keep a buffer of 64 KiB for each of its fields.
pub(super) fn copy(head: &mut Parts) {
    head.headers = copied(&head.headers);
    let mut uri = head.uri.clone().into_parts();
    // A part that was parsed once can be parsed again.
    uri.authority = uri.authority.and_then(|authority| Authority::try_from(authority.as_str()).ok());
    uri.path_and_query = uri.path_and_query.and_then(|path| PathAndQuery::try_from(path.as_str()).ok());
    if let Ok(uri) = Uri::from_parts(uri) {
        head.uri = uri;
    }
}

fn copied(headers: &HeaderMap) -> HeaderMap {
    let mut block = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    let mut copy = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        block.extend_from_slice(value.as_bytes());
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let bytes: Bytes = block.split().freeze();
        if let (Ok(name), Ok(mut copied)) = (name, HeaderValue::from_maybe_shared(bytes)) {
            copied.set_sensitive(value.is_sensitive());
            copy.append(name, copied);
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn is_read(heads: &Heads) -> bool {
        heads.poll_room(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_connection_is_not_read_while_a_head_waits() {
        let heads = Heads::new(16 << 10);
        assert!(is_read(&heads));
        heads.begun(100);
        assert!(!is_read(&heads));
        let waiting = heads.handed_over();
        assert!(!heads.settle() && !is_read(&heads), "the session has not accepted the request");
        drop(waiting);
        assert!(is_read(&heads));
        heads.begun(100);
        assert!(!is_read(&heads));
        assert!(heads.settle() && is_read(&heads), "h2 has refused the request, or trailers came");
        assert!(!heads.settle(), "no reader waits");
    }

    #[test]
    fn a_head_whose_frames_are_too_large_in_all_ends_the_connection_once() {
        let heads = Heads::new(16 << 10);
        heads.begun(1 << 20);
        heads.settle();
        assert!(!heads.take_excess() && is_read(&heads), "a single frame is bounded by its own limit");
        heads.begun(16 << 10);
        heads.continued(48 << 10);
        assert!(!heads.take_excess());
        heads.continued(1);
        heads.settle();
        assert!(heads.take_excess() && !heads.take_excess() && !is_read(&heads));
    }

    #[test]
    fn a_copied_head_is_equal_and_shares_no_memory() {
        let value = Bytes::from(vec![b'v'; 100]);
        let uri = Bytes::from_static(b"http://localhost:1/a%20b?c");
        let (mut head, ()) = Request::put(Uri::from_maybe_shared(uri).unwrap())
            .header("x-one", HeaderValue::from_maybe_shared(value.clone()).unwrap())
            .header("x-one", "2")
            .header("host", "localhost")
            .body(())
            .unwrap()
            .into_parts();
        let (headers, uri) = (head.headers.clone(), head.uri.clone());
        copy(&mut head);
        assert_eq!((&head.headers, &head.uri), (&headers, &uri));
        assert_ne!(head.headers["x-one"].as_bytes().as_ptr(), value.as_ptr());
        assert_ne!(head.uri.path().as_ptr(), uri.path().as_ptr());
        let mut asterisk = Request::options("*").body(()).unwrap().into_parts().0;
        copy(&mut asterisk);
        assert_eq!(asterisk.uri, "*");
    }
}
