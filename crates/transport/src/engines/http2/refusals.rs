//! The requests that h2 refuses on its own: it answers or resets their streams, and never hands the requests over.
//!
//! Such requests are recognised by the frames that pass: the client has opened a stream, and this end ends it before
//! the request was handed over.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use h2::Reason;
use http::StatusCode;

use super::PROTOCOL;
use crate::Error;

/// The most opened streams that are watched at once. h2 hands a request over as soon as it has read it.
const MOST_OPENED: usize = 1024;

/// The most refusals that wait to be reported. Further refusals are not reported.
pub(super) const MOST_REFUSED: u32 = 64;

/// The refusals of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The highest stream that the client has opened.
    highest: u32,
    /// The streams whose request was not handed over.
    opened: HashSet<u32>,
    refused: VecDeque<Ending>,
    driver: Option<Waker>,
}

/// The end of a stream whose request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// A response. h2 sends one on its own only to a head over SETTINGS_MAX_HEADER_LIST_SIZE.
    TooLarge,
    /// RST_STREAM with this error code.
    Reset(u32),
}

impl Refusals {
    /// Notes a HEADERS frame of the client. A frame with trailers belongs to a stream that is already open.
    pub(super) fn opened(&self, stream: u32) {
        let state = &mut *self.lock();
        if stream > state.highest {
            state.highest = stream;
            if state.opened.len() < MOST_OPENED {
                state.opened.insert(stream);
            }
        }
    }

    /// Notes that h2 has handed a request over, or that the client has reset its stream.
    pub(super) fn forget(&self, stream: u32) {
        self.lock().opened.remove(&stream);
    }

    /// Notes a HEADERS frame of this end.
    pub(super) fn answered(&self, stream: u32) {
        self.ended(stream, Ending::TooLarge);
    }

    /// Notes a RST_STREAM frame of this end.
    pub(super) fn reset(&self, stream: u32, code: u32) {
        self.ended(stream, Ending::Reset(code));
    }

    fn ended(&self, stream: u32, ending: Ending) {
        let state = &mut *self.lock();
        if state.opened.remove(&stream) && state.refused.len() < MOST_REFUSED as usize {
            state.refused.push_back(ending);
            if let Some(driver) = state.driver.take() {
                driver.wake();
            }
        }
    }

    /// Waits for the next refusal, and returns it as an error.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Error> {
        let state = &mut *self.lock();
        let Some(ending) = state.refused.pop_front() else {
            state.driver = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(match ending {
            Ending::TooLarge => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                Error::refused(PROTOCOL, Some(status), "the head of a request is too large")
            }
            Ending::Reset(code) => {
                let reason = format!("a request was refused by RST_STREAM {:?}", Reason::from(code));
                Error::refused(PROTOCOL, None, reason)
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refusals: &Refusals) -> Vec<String> {
        let cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(error) = refusals.poll_next(&cx) {
            all.push(error.to_string());
        }
        all
    }

    #[test]
    fn a_stream_that_ends_before_its_request_is_handed_over_is_refused_once() {
        let refusals = Refusals::default();
        [1, 3, 5, 7].into_iter().for_each(|stream| refusals.opened(stream));
        refusals.forget(1);
        refusals.answered(1);
        refusals.reset(1, 0);
        refusals.answered(3);
        refusals.reset(3, 7);
        refusals.reset(5, 1);
        refusals.forget(7);
        refusals.reset(7, 1);
        // The frames are trailers, and a frame of a stream that was never opened.
        refusals.opened(1);
        refusals.reset(1, 1);
        refusals.reset(9, 1);
        assert_eq!(
            refused(&refusals),
            [
                "HTTP/2: the head of a request is too large",
                "HTTP/2: a request was refused by RST_STREAM PROTOCOL_ERROR"
            ]
        );
    }

    #[test]
    fn refusals_that_nobody_takes_are_bounded() {
        let refusals = Refusals::default();
        for stream in (1..10_000).step_by(2) {
            refusals.opened(stream);
            refusals.reset(stream, 1);
        }
        assert_eq!(refused(&refusals).len(), MOST_REFUSED as usize);
    }
}
