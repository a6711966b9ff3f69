//! The reception of one body, to its end.

use std::{
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use metrics::{Flow, Meter, Pace, Stamp};

use crate::{
    Halt, Receipt, ReceiveError, Sink, SinkActivity, SpinTime, busy_poll::BusyPoll, waiting::waiting,
};

/// The reception of one body, with its options. Nothing is received before [`run`](Self::run).
///
/// By default, the bytes are discarded, any length is accepted, there is no rate, and the receiver does not busy-poll.
#[must_use = "nothing is received before `run`"]
pub struct Reception<'a, B> {
    body: B,
    meter: &'a Meter,
    sink: Sink,
    expected: Option<u64>,
    pace: Option<Pace>,
    halt: Option<Halt>,
    busy_poll: Duration,
    spun: SpinTime,
}

impl<'a, B> Reception<'a, B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Creates a reception of `body`, whose bytes `meter` counts.
    pub fn of(body: B, meter: &'a Meter) -> Self {
        Self {
            body,
            meter,
            sink: Sink::discard(),
            expected: None,
            pace: None,
            halt: None,
            busy_poll: Duration::ZERO,
            spun: SpinTime::default(),
        }
    }

    /// Sets the sink of the bytes.
    pub fn into_sink(mut self, sink: Sink) -> Self {
        self.sink = sink;
        self
    }

    /// Sets the required length in bytes; `None` accepts any length.
    pub fn expecting(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.expected = bytes.into();
        self
    }

    /// Sets the pace of the reception; `None` requests bytes as fast as the sink takes them.
    pub fn paced(mut self, pace: impl Into<Option<Pace>>) -> Self {
        self.pace = pace.into();
        self
    }

    /// Sets a stop in the middle of the body; `None` reads to the end without a stop.
    pub fn halting(mut self, halt: impl Into<Option<Halt>>) -> Self {
        self.halt = halt.into();
        self
    }

    /// Makes the task busy-poll for up to `limit` before it sleeps, whenever no bytes are available. Busy-polling saves
    /// a wake-up if the next bytes arrive soon, and costs processor time otherwise. The time is added to `spun`.
    pub fn busy_polling(mut self, limit: Duration, spun: &SpinTime) -> Self {
        (self.busy_poll, self.spun) = (limit, spun.clone());
        self
    }

    /// Returns a handle that tells whether the body waits for the sink. The handle belongs to the sink that is set at
    /// the time of the call.
    pub fn activity(&self) -> SinkActivity {
        self.sink.activity()
    }

    /// Receives the body to its end. Each piece passes the meter and then the sink, before the next piece is requested.
    ///
    /// # Errors
    /// Fails if the body breaks off, does not have the required length, or cannot be saved.
    pub async fn run(self) -> Result<Receipt, ReceiveError> {
        let Self { body, meter, sink, expected, mut pace, halt, busy_poll, spun } = self;
        let mut body = pin!(body);
        let mut intake =
            Intake { flow: meter.flow(), sink, received: 0, every: halt.is_some() || pace.is_some() };
        let mut busy = BusyPoll::new(busy_poll, &spun);
        let began = Stamp::now();
        while let Some((length, rest)) = poll_fn(|cx| intake.poll(body.as_mut(), &mut busy, cx)).await? {
            let Intake { flow, sink, received, .. } = &mut intake;
            let application = async {
                if let Some(rest) = rest {
                    sink.write(rest).await?;
                }
                if let Some(halt) = &halt {
                    halt.pass(*received).await;
                }
                if let Some(wait) = pace.as_mut().and_then(|pace| pace.pass(length)) {
                    tokio::time::sleep(wait).await;
                }
                Ok::<_, ReceiveError>(())
            };
            waiting(flow, application).await?;
        }
        let Intake { mut flow, sink, received, .. } = intake;
        flow.finish();
        if let Some(expected) = expected.filter(|expected| *expected != received) {
            return Err(ReceiveError::Length { received, expected });
        }
        let (digest, saved) = waiting(&mut flow, sink.finish()).await?;
        Ok(Receipt {
            bytes: received,
            algorithm: payload::ALGORITHM.to_owned(),
            digest: digest.map(|digest| digest.to_string()),
            saved,
            elapsed_s: began.elapsed().as_secs_f64(),
        })
    }
}

/// The way of the pieces of a body through the meter to the sink.
struct Intake {
    flow: Flow,
    sink: Sink,
    /// The number of bytes that have passed.
    received: u64,
    /// True if the body may have to wait after every piece.
    every: bool,
}

/// The length of a piece, and its bytes if the sink has not taken them.
type Passed = (usize, Option<Bytes>);

impl Intake {
    /// Passes pieces of `body` until the body may have to wait for the application. Returns `None` at its end. Most sinks
    /// take each piece at once, within one poll: over QUIC, a piece has the bytes of one packet, and a wait that is over at
    /// once takes 3 % of the time of a packet.
    fn poll<B>(
        &mut self,
        mut body: Pin<&mut B>,
        busy: &mut BusyPoll<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Passed>, ReceiveError>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        loop {
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
                busy.found_nothing(cx);
                return Poll::Pending;
            };
            busy.found();
            let frame = match frame {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let (received, source) = (self.received, error.into());
                    return Poll::Ready(Err(ReceiveError::Broken { received, source }));
                }
                None => return Poll::Ready(Ok(None)),
            };
            let Ok(piece) = frame.into_data() else { continue };
            let length = piece.len();
            self.received += length as u64;
            self.flow.pass(length);
            let rest = self.sink.take(piece);
            if rest.is_some() || self.every {
                return Poll::Ready(Ok(Some((length, rest))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};
    use record::Rate;

    use super::*;
    use crate::save::{Existing, Folder, SafeName, Saver};

    fn abc() -> Full<Bytes> {
        Full::from("abc")
    }

    #[tokio::test]
    async fn a_receipt_states_length_and_digest() {
        let meter = Meter::new(1);
        let receipt =
            Reception::of(abc(), &meter).into_sink(Sink::verify()).expecting(3).run().await.unwrap();
        assert_eq!((receipt.bytes, meter.bytes()), (3, 3));
        // xxHash's `xxhsum -H2` prints this digest for a file of these three bytes.
        assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
        let receipt = Reception::of(abc(), &meter).run().await.unwrap();
        assert_eq!((receipt.digest, receipt.saved), (None, None));
    }

    #[tokio::test]
    async fn a_receipt_names_the_saved_file() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let name = SafeName::parse("a").unwrap();
        let saver = Saver::begin(&folder, &name, Existing::Replace, None).await.unwrap();
        let receipt = Reception::of(abc(), &Meter::new(1)).into_sink(Sink::save(saver)).run().await.unwrap();
        assert_eq!(receipt.saved.as_deref(), Some("a"));
        assert!(receipt.digest.is_some());
        assert_eq!(std::fs::read(temporary.path().join("a")).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_an_error() {
        for expected in [2, 4] {
            let error = Reception::of(abc(), &Meter::new(1)).expecting(expected).run().await.unwrap_err();
            assert!(matches!(error, ReceiveError::Length { received: 3, .. }), "{error}");
        }
        Reception::of(abc(), &Meter::new(1)).expecting(2).expecting(None).run().await.unwrap();
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        let frames: Vec<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>> =
            vec![Ok(Frame::data("abc".into())), Err("reset".into())];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let error = Reception::of(body, &Meter::new(1)).into_sink(Sink::verify()).run().await.unwrap_err();
        assert_eq!(error.to_string(), "the body broke off after 3 bytes: reset");
    }

    #[tokio::test]
    async fn a_paced_reception_takes_its_time() {
        let pace = Pace::new(Rate::try_from(100).unwrap());
        let meter = Meter::new(1);
        let receipt = Reception::of(abc(), &meter).paced(pace).run().await.unwrap();
        assert!(receipt.elapsed_s >= 0.03, "{receipt:?}");
        let waited = meter.readings().application_wait.as_secs_f64();
        assert!(waited >= 0.015 && waited <= receipt.elapsed_s, "{waited} s of {receipt:?}");
    }

    #[tokio::test]
    async fn a_busy_polling_reception_gets_bytes_that_come_late() {
        let late = futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from("abc")))
        });
        let meter = Meter::new(1);
        let (spun, late) = (SpinTime::default(), StreamBody::new(late));
        let reception = Reception::of(late, &meter).busy_polling(Duration::from_secs(60), &spun);
        assert_eq!(reception.run().await.unwrap().bytes, 3);
        assert!(spun.total() > Duration::ZERO && spun.total() < Duration::from_secs(60), "{spun:?}");
    }
}
