//! The unidirectional streams of a peer (RFC 9114 section 6.2). Only the control stream is passed to h3.
//!
//! h3 0.0.8 buffers all bytes of a control stream, and never reads QPACK's streams: it would not notice an instruction
//! that is not allowed, or the end of such a stream.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId},
};
use quinn::ReadError;

use super::{
    Role, StreamQueue,
    arriving::Arriving,
    error,
    frames::{FrameHead, Frames, Part, Rules, Treatment},
    instructions::{Direction, Instructions},
    message::kind,
    next,
    payloads::Payloads,
    recv::{PIECES, Pieces},
    supervisor::Supervisor,
    violation::Violation,
};

/// The types of unidirectional streams (RFC 9114 section 11.2.4, RFC 9204 section 8.2).
mod stream_type {
    pub(super) const CONTROL: u64 = 0x0;
    pub(super) const PUSH: u64 = 0x1;
    pub(super) const QPACK_ENCODER: u64 = 0x2;
    pub(super) const QPACK_DECODER: u64 = 0x3;
}

/// The unidirectional streams that a peer has opened.
pub(super) struct PeerStreams {
    accepted: StreamQueue<quinn::RecvStream>,
    supervisor: Arc<Supervisor>,
    /// The streams whose type has not arrived yet.
    arriving: Vec<Arriving>,
    has_control: bool,
    encoder: Option<Instructions>,
    decoder: Option<Instructions>,
}

impl PeerStreams {
    pub(super) fn new(accepted: StreamQueue<quinn::RecvStream>, supervisor: Arc<Supervisor>) -> Self {
        Self { accepted, supervisor, arriving: Vec::new(), has_control: false, encoder: None, decoder: None }
    }

    /// Lets all streams progress. Returns the control stream once it has arrived.
    pub(super) fn poll_control(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ControlStream, ConnectionErrorIncoming>> {
        while let Poll::Ready(stream) = next(&mut self.accepted, cx) {
            let stream = stream.map_err(error::connection)?;
            self.arriving.push(Arriving::new(stream, self.supervisor.clone()));
        }
        let mut at = 0;
        while let Some(arriving) = self.arriving.get_mut(at) {
            match arriving.poll_type(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(kind) => {
                    let stream = self.arriving.swap_remove(at);
                    let sorted = kind.map_or(Ok(None), |kind| self.sort(kind, stream));
                    if let Some(control) = sorted.map_err(|violation| self.supervisor.end(violation))? {
                        return Poll::Ready(Ok(control));
                    }
                }
            }
        }
        for instructions in [&mut self.encoder, &mut self.decoder].into_iter().flatten() {
            if let Poll::Ready(violation) = instructions.poll(cx, &self.supervisor) {
                return Poll::Ready(Err(self.supervisor.end(violation)));
            }
        }
        Poll::Pending
    }

    /// Stores or rejects a stream whose type is `kind`. Returns the control stream to the caller.
    ///
    /// # Errors
    /// Fails if the peer must not open a stream of this type, or has opened one already.
    fn sort(&mut self, kind: u64, stream: Arriving) -> Result<Option<ControlStream>, Violation> {
        match kind {
            stream_type::CONTROL => {
                only_one(std::mem::replace(&mut self.has_control, true))?;
                return Ok(Some(ControlStream::new(stream, self.supervisor.clone())));
            }
            stream_type::QPACK_ENCODER => {
                only_one(self.encoder.replace(Instructions::new(stream, Direction::Encoder)).is_some())?;
            }
            stream_type::QPACK_DECODER => {
                only_one(self.decoder.replace(Instructions::new(stream, Direction::Decoder)).is_some())?;
            }
            stream_type::PUSH => {
                let (code, reason) = match self.supervisor.role {
                    Role::Server => (Code::H3_STREAM_CREATION_ERROR, "a push stream of a client"),
                    Role::Client => (Code::H3_ID_ERROR, "a push that was not allowed"),
                };
                return Err(Violation::of_connection(code, reason));
            }
            // Unknown types are no error (section 6.2).
            _ => {
                let Arriving { mut pieces, .. } = stream;
                pieces.stop(Code::H3_STREAM_CREATION_ERROR.value());
            }
        }
        Ok(None)
    }
}

/// Checks that a stream is the first of its kind. A peer has one control stream, and one QPACK stream of each kind
/// (section 6.2.1, RFC 9204 section 4.2).
fn only_one(had_one: bool) -> Result<(), Violation> {
    let second = Violation::of_connection(Code::H3_STREAM_CREATION_ERROR, "a second control stream");
    if had_one { Err(second) } else { Ok(()) }
}

/// The control stream of a peer.
pub(crate) struct ControlStream {
    pieces: Pieces,
    /// The rest of a piece, not yet divided into frames.
    rest: Bytes,
    frames: Frames,
    rules: ControlRules,
    payloads: Payloads,
    /// The type of the stream, until h3 has read it.
    kind: Option<Bytes>,
}

impl ControlStream {
    fn new(stream: Arriving, supervisor: Arc<Supervisor>) -> Self {
        Self {
            pieces: stream.pieces,
            rest: stream.start.freeze(),
            frames: Frames::default(),
            payloads: Payloads::new(supervisor.role),
            rules: ControlRules { has_settings: false, supervisor },
            kind: Some(Bytes::from_static(&[stream_type::CONTROL as u8])),
        }
    }
}

impl quic::RecvStream for ControlStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if let Some(kind) = self.kind.take() {
            return Poll::Ready(Ok(Some(kind)));
        }
        loop {
            let part = self.frames.next(&mut self.rest, &mut self.rules);
            match part.map_err(|violation| self.rules.supervisor.punish(violation))? {
                Some(Part::Frame(frame)) => {
                    let supervisor = &self.rules.supervisor;
                    let checked = self.payloads.check(&frame);
                    match (checked.map_err(|violation| supervisor.punish(violation))?, supervisor.role) {
                        // The GOAWAY of a client rejects pushes alone (section 5.2), and this server makes none. h3
                        // would end the connection, although responses may be unacknowledged and requests may follow.
                        (Some(_), Role::Server) => continue,
                        (Some(id), Role::Client) => supervisor.server_rejects_from(id),
                        (None, _) => {}
                    }
                    return Poll::Ready(Ok(Some(frame)));
                }
                Some(Part::Passing(part)) => return Poll::Ready(Ok(Some(part))),
                None => {}
            }
            match ready!(self.pieces.poll_next(cx, PIECES)) {
                Ok(Some(piece)) => self.rest = piece,
                Ok(None) | Err(ReadError::Reset(_)) => {
                    return Poll::Ready(Err(self.rules.supervisor.punish(Violation::CLOSED)));
                }
                Err(error) => return Poll::Ready(Err(error::read(error))),
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.pieces.stop(code);
    }

    fn recv_id(&self) -> StreamId {
        self.pieces.id()
    }
}

/// The rules for the frames on a control stream.
struct ControlRules {
    has_settings: bool,
    supervisor: Arc<Supervisor>,
}

impl Rules for ControlRules {
    fn judge(&mut self, head: &FrameHead) -> Result<Treatment, Violation> {
        self.supervisor.control_bytes(head.total())?;
        judge(head, std::mem::replace(&mut self.has_settings, true))
    }
}

/// Returns the treatment of a frame, by its head (sections 6.2.1 and 7.2).
fn judge(head: &FrameHead, has_settings: bool) -> Result<Treatment, Violation> {
    let unexpected = |reason| Err(Violation::of_connection(Code::H3_FRAME_UNEXPECTED, reason));
    match head.kind {
        kind::SETTINGS if !has_settings => Ok(Treatment::Gather),
        _ if !has_settings => {
            let reason = "the control stream does not begin with SETTINGS";
            Err(Violation::of_connection(Code::H3_MISSING_SETTINGS, reason))
        }
        kind::SETTINGS => unexpected("a second SETTINGS frame"),
        kind::GOAWAY | kind::MAX_PUSH_ID | kind::CANCEL_PUSH => Ok(Treatment::Gather),
        kind::DATA | kind::HEADERS | kind::PUSH_PROMISE => {
            unexpected("a frame of request streams on a control stream")
        }
        other if kind::OF_HTTP2.contains(&other) => unexpected("a frame of HTTP/2"),
        _ => Ok(Treatment::Skip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_stream_begins_with_settings_and_has_no_second_ones() {
        let judge = |kind, has_settings| {
            judge(&FrameHead { kind, length: 1, size: 2 }, has_settings).map_err(|violation| violation.code)
        };
        assert_eq!(judge(kind::SETTINGS, false), Ok(Treatment::Gather));
        for other in [kind::GOAWAY, kind::DATA, 0x21] {
            assert_eq!(judge(other, false), Err(Code::H3_MISSING_SETTINGS));
        }
        for known in [kind::GOAWAY, kind::MAX_PUSH_ID, kind::CANCEL_PUSH] {
            assert_eq!(judge(known, true), Ok(Treatment::Gather));
        }
        assert_eq!(judge(0x21, true), Ok(Treatment::Skip));
        let misplaced = [kind::SETTINGS, kind::DATA, kind::HEADERS, kind::PUSH_PROMISE];
        for misplaced in misplaced.into_iter().chain(kind::OF_HTTP2) {
            assert_eq!(judge(misplaced, true), Err(Code::H3_FRAME_UNEXPECTED));
        }
    }
}
