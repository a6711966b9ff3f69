//! The rules for the frames of a message: a head, DATA frames, and trailers (RFC 9114 section 4.1).

use bytes::{BufMut as _, Bytes, BytesMut};
use h3::error::Code;

use super::{
    Role,
    frames::{FrameHead, Rules, Treatment, integer},
    section::{self, Section},
    violation::Violation,
};
use crate::framing::SizeLog;

/// The bytes that a peer may send besides a head of the largest size before the body, or between two DATA frames:
/// unknown frames, and the encoding around the fields of a head.
pub(super) const ALLOWANCE: u64 = 16 << 10;

/// The size of a head, in bytes, up to which an excess over the limit ends only its own stream: a request gets status
/// 431, and the connection goes on. No browser sends a larger head: Chrome stops at 256 KiB.
const ANSWERED: u64 = 1 << 20;

/// The frame types of RFC 9114 section 7.2.
pub(super) mod kind {
    pub(crate) const DATA: u64 = 0x0;
    pub(crate) const HEADERS: u64 = 0x1;
    pub(crate) const CANCEL_PUSH: u64 = 0x3;
    pub(crate) const SETTINGS: u64 = 0x4;
    pub(crate) const PUSH_PROMISE: u64 = 0x5;
    pub(crate) const GOAWAY: u64 = 0x7;
    pub(crate) const MAX_PUSH_ID: u64 = 0xd;

    /// The frame types of HTTP/2 without a counterpart in HTTP/3 (RFC 9114 section 7.2.8): PRIORITY, PING,
    /// WINDOW_UPDATE, CONTINUATION.
    pub(crate) const OF_HTTP2: [u64; 4] = [0x2, 0x6, 0x8, 0x9];
}

/// The rules for one message, and the part of it that has arrived.
#[derive(Debug)]
pub(super) struct Message {
    role: Role,
    /// The largest field section.
    limit: u32,
    /// The most fields in a section.
    fields: usize,
    /// The length of the frame with the head of a request, in bytes; zero until it has begun.
    head: u64,
    /// The bytes besides payload that may still come before the next DATA frame.
    left: u64,
    part: MessagePart,
    /// The sizes of received DATA frames; `None` counts none.
    data_frames: Option<SizeLog>,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessagePart {
    /// The head; in a response, also the heads of interim responses before it.
    Head,
    /// The body.
    Body,
    /// The trailers, and nothing after them.
    Trailers,
}

impl Message {
    /// Returns the rules for a message that `role` receives, with field sections of up to `limit` bytes and `fields`
    /// fields.
    pub(super) fn new(role: Role, limit: u32, fields: usize) -> Self {
        let left = u64::from(limit).saturating_add(ALLOWANCE);
        Self { role, limit, fields, head: 0, left, part: MessagePart::Head, data_frames: None }
    }

    /// Counts the DATA frames, if a log is given.
    pub(super) fn counting(self, data_frames: Option<SizeLog>) -> Self {
        Self { data_frames, ..self }
    }

    /// Notes that the head was read, so that the body follows.
    pub(super) fn head_was_read(&mut self) {
        if self.part == MessagePart::Head {
            self.part = MessagePart::Body;
        }
    }

    /// Returns whether the head is still to be read.
    pub(super) fn is_in_head(&self) -> bool {
        self.part == MessagePart::Head
    }

    /// Returns the length of the frame with the head of a request, in bytes, if the head is being read.
    pub(super) fn head_length(&self) -> Option<u64> {
        Some(self.head).filter(|length| *length > 0 && self.is_in_head())
    }

    /// Checks the number of fields of a HEADERS frame, and its pseudo-header fields. Returns the frame for
    /// h3. A request with too many fields is replaced by one that h3 answers with status 431.
    ///
    /// # Errors
    /// Fails if the message is malformed, or cannot be decoded without a dynamic table, or other sections
    /// have too many fields.
    pub(super) fn checked(&self, frame: Bytes) -> Result<Bytes, Violation> {
        let section = match (self.part, self.role) {
            (MessagePart::Head, Role::Server) => Section::Request,
            (MessagePart::Head, Role::Client) => Section::Response,
            (MessagePart::Body | MessagePart::Trailers, _) => Section::Trailers,
        };
        let encoded = payload(&frame);
        if section::needs_table(encoded) {
            let reason = "a field section that needs a dynamic table";
            return Err(Violation::of_connection(Code::QPACK_DECOMPRESSION_FAILED, reason));
        }
        section::check(section, encoded).map_err(Violation::malformed)?;
        match section {
            _ if section::fields(encoded) <= self.fields => Ok(frame),
            Section::Request => Ok(too_large(self.limit)),
            _ => Err(Violation::of_stream(Code::H3_EXCESSIVE_LOAD, "a section with too many fields")),
        }
    }

    /// Returns the treatment of a HEADERS frame.
    fn judge_headers(&mut self, head: &FrameHead) -> Result<Treatment, Violation> {
        let in_head = self.is_in_head();
        match self.part {
            MessagePart::Trailers => return Err(unexpected("a field section after the trailers")),
            MessagePart::Body => self.part = MessagePart::Trailers,
            MessagePart::Head => {}
        }
        if head.total() <= self.left {
            self.left -= head.total();
            if in_head && self.role == Role::Server {
                self.head = head.total();
            }
            return Ok(Treatment::Gather);
        }
        match self.role {
            _ if head.total() > ANSWERED => Err(EXCESS),
            Role::Server if in_head => Ok(Treatment::Replace(too_large(self.limit))),
            _ => Err(Violation::of_stream(Code::H3_EXCESSIVE_LOAD, "a field section is too large")),
        }
    }

    /// Returns the treatment of a DATA frame within the body.
    fn judge_data(&mut self, head: &FrameHead) -> Result<Treatment, Violation> {
        if head.length == 0 {
            return self.skip(head);
        }
        self.left = u64::from(self.limit).saturating_add(ALLOWANCE);
        Ok(Treatment::Pass)
    }

    /// Skips a frame, if not too much has been skipped already.
    fn skip(&mut self, head: &FrameHead) -> Result<Treatment, Violation> {
        self.left = self.left.checked_sub(head.total()).ok_or(EXCESS)?;
        Ok(Treatment::Skip)
    }
}

impl Rules for Message {
    fn judge(&mut self, head: &FrameHead) -> Result<Treatment, Violation> {
        match head.kind {
            kind::DATA => match self.part {
                MessagePart::Head => Err(unexpected("data before the head")),
                MessagePart::Trailers => Err(unexpected("data after the trailers")),
                MessagePart::Body => {
                    self.data_frames.iter().for_each(|log| log.add(head.length));
                    self.judge_data(head)
                }
            },
            kind::HEADERS => self.judge_headers(head),
            kind::PUSH_PROMISE if self.role == Role::Client => {
                // This client never sends MAX_PUSH_ID (section 7.2.5).
                Err(Violation::of_connection(Code::H3_ID_ERROR, "a push that was not allowed"))
            }
            kind::PUSH_PROMISE | kind::CANCEL_PUSH | kind::SETTINGS | kind::GOAWAY | kind::MAX_PUSH_ID => {
                Err(unexpected("a frame of control streams on a request stream"))
            }
            other if kind::OF_HTTP2.contains(&other) => Err(unexpected("a frame of HTTP/2")),
            _ => self.skip(head),
        }
    }
}

/// The violation of sending too many bytes besides payload.
const EXCESS: Violation =
    Violation::of_connection(Code::H3_EXCESSIVE_LOAD, "too many bytes besides the body");

/// Returns the violation of an invalid sequence of frames (RFC 9114 section 4.1).
fn unexpected(reason: &'static str) -> Violation {
    Violation::of_connection(Code::H3_FRAME_UNEXPECTED, reason)
}

/// Returns the payload of a whole frame.
pub(super) fn payload(frame: &[u8]) -> &[u8] {
    let skip = |bytes: &'_ [u8]| integer(bytes).map(|(_, size)| size);
    let Some(rest) = skip(frame).and_then(|size| frame.get(size..)) else { return &[] };
    skip(rest).and_then(|size| rest.get(size..)).unwrap_or_default()
}

/// Returns a short HEADERS frame that decodes to more than `limit` bytes of fields. It replaces a frame that is too
/// large to be buffered, and h3 answers it with status 431.
fn too_large(limit: u32) -> Bytes {
    /// An indexed field line of QPACK's static table: `age: 0`, 36 bytes by the count of RFC 9114 section 4.2.2.
    const AGE: u8 = 0xc0 | 2;
    const COUNTED: usize = 36;
    let lines = limit as usize / COUNTED + 1;
    let mut frame = BytesMut::with_capacity(lines + 8);
    frame.put_u8(kind::HEADERS as u8);
    // The first two bits state that the length takes four bytes (RFC 9000 section 16).
    frame.put_u32(0x8000_0000 | u32::try_from(lines + 2).unwrap_or(0) & 0x3fff_ffff);
    frame.put_slice(&[0, 0]);
    frame.put_bytes(AGE, lines);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FramingObserver;

    fn head(kind: u64, length: u64) -> FrameHead {
        FrameHead { kind, length, size: 2 }
    }

    fn in_body(role: Role) -> Message {
        let mut message = Message::new(role, 1000, 10);
        message.head_was_read();
        message
    }

    fn code(judged: Result<Treatment, Violation>) -> Code {
        judged.unwrap_err().code
    }

    #[test]
    fn data_frames_are_counted_by_their_length_once_the_head_was_read() {
        let observer = FramingObserver::default();
        let mut message = Message::new(Role::Server, 1000, 10).counting(Some(observer.data_frames.clone()));
        message.judge(&head(kind::HEADERS, 30)).unwrap();
        message.head_was_read();
        for length in [0, 70_000, 5] {
            message.judge(&head(kind::DATA, length)).unwrap();
        }
        let sizes = observer.record().data_frames.unwrap();
        assert_eq!((sizes.count, sizes.total_bytes, sizes.min, sizes.max), (3, 70_005, 0, 70_000));
    }

    #[test]
    fn a_message_is_a_head_then_data_then_trailers() {
        let mut message = Message::new(Role::Server, 1000, 10);
        assert_eq!(code(message.judge(&head(kind::DATA, 1))), Code::H3_FRAME_UNEXPECTED);
        assert_eq!(message.judge(&head(kind::HEADERS, 500)), Ok(Treatment::Gather));
        message.head_was_read();
        assert_eq!(message.judge(&head(kind::DATA, 1)), Ok(Treatment::Pass));
        assert_eq!(message.judge(&head(kind::DATA, 0)), Ok(Treatment::Skip));
        assert_eq!(message.judge(&head(kind::DATA, u64::MAX >> 2)), Ok(Treatment::Pass));
        assert_eq!(message.judge(&head(kind::HEADERS, 10)), Ok(Treatment::Gather));
        assert_eq!(message.judge(&head(0x21, 10)), Ok(Treatment::Skip));
        assert_eq!(code(message.judge(&head(kind::DATA, 0))), Code::H3_FRAME_UNEXPECTED);
        assert_eq!(code(message.judge(&head(kind::HEADERS, 10))), Code::H3_FRAME_UNEXPECTED);
    }

    #[test]
    fn a_response_may_have_several_heads() {
        let mut message = Message::new(Role::Client, 1000, 10);
        for _ in 0..3 {
            assert_eq!(message.judge(&head(kind::HEADERS, 100)), Ok(Treatment::Gather));
        }
        assert_eq!(code(message.judge(&head(kind::DATA, 1))), Code::H3_FRAME_UNEXPECTED);
    }

    #[test]
    fn frames_of_other_streams_and_of_http2_are_connection_errors() {
        let of_control = [kind::CANCEL_PUSH, kind::SETTINGS, kind::GOAWAY, kind::MAX_PUSH_ID];
        for role in [Role::Server, Role::Client] {
            for kind in of_control.into_iter().chain(kind::OF_HTTP2) {
                let violation = in_body(role).judge(&head(kind, 1)).unwrap_err();
                assert_eq!(violation.code, Code::H3_FRAME_UNEXPECTED, "{kind:#x}");
                assert_eq!(violation.reach, super::super::violation::Reach::Connection);
            }
        }
        assert_eq!(
            code(in_body(Role::Server).judge(&head(kind::PUSH_PROMISE, 1))),
            Code::H3_FRAME_UNEXPECTED
        );
        assert_eq!(code(in_body(Role::Client).judge(&head(kind::PUSH_PROMISE, 1))), Code::H3_ID_ERROR);
    }

    #[test]
    fn what_is_skipped_is_bounded_until_data_comes() {
        let excess = |message: &mut Message, kind, length| {
            let skipped = (0..).take_while(|_| message.judge(&head(kind, length)).is_ok()).count();
            assert_eq!(code(message.judge(&head(kind, length))), Code::H3_EXCESSIVE_LOAD);
            skipped as u64
        };
        let allowed = 1000 + ALLOWANCE;
        assert_eq!(excess(&mut in_body(Role::Server), 0x21, 8), allowed / 10);
        assert_eq!(excess(&mut in_body(Role::Client), kind::DATA, 0), allowed / 2);
        assert_eq!(excess(&mut Message::new(Role::Server, 1000, 10), 0x40, 8), allowed / 10);
        assert_eq!(excess(&mut Message::new(Role::Server, 1000, 10), 0x40, 1 << 40), 0);
        let mut message = in_body(Role::Server);
        for _ in 0..10_000 {
            assert_eq!(message.judge(&head(0x21, 1000)), Ok(Treatment::Skip));
            assert_eq!(message.judge(&head(kind::DATA, 1)), Ok(Treatment::Pass));
        }
    }

    #[test]
    fn a_head_that_is_too_large_is_answered_and_an_absurd_one_ends_the_connection() {
        let judge = |role, length| Message::new(role, 1000, 10).judge(&head(kind::HEADERS, length));
        assert_eq!(judge(Role::Server, 1000 + ALLOWANCE - 2), Ok(Treatment::Gather));
        assert!(matches!(judge(Role::Server, 1000 + ALLOWANCE), Ok(Treatment::Replace(_))));
        assert!(matches!(judge(Role::Server, ANSWERED - 2), Ok(Treatment::Replace(_))));
        assert_eq!(judge(Role::Server, ANSWERED), Err(EXCESS));
        assert_eq!(judge(Role::Server, 1 << 61), Err(EXCESS));
        let refused = judge(Role::Client, ANSWERED - 2).unwrap_err();
        assert_eq!(refused.reach, super::super::violation::Reach::Stream);
        assert_eq!(judge(Role::Client, ANSWERED), Err(EXCESS));
    }

    #[test]
    fn a_section_with_too_many_fields_is_not_decoded() {
        // Indexed field lines of the static table: :method, and `age: 0`.
        let frame = |first: u8, fields: usize| {
            let mut frame = vec![1, fields as u8 + 3, 0, 0, first];
            frame.resize(5 + fields, 0xc0 | 2);
            Bytes::from(frame)
        };
        let (get, age) = (0xc0 | 17, 0xc0 | 2);
        let mut message = Message::new(Role::Server, 1000, 10);
        assert_eq!(message.head_length(), None);
        message.judge(&head(kind::HEADERS, 30)).unwrap();
        assert_eq!(message.head_length(), Some(32));
        assert_eq!(message.checked(frame(get, 10)), Ok(frame(get, 10)));
        assert_eq!(message.checked(frame(get, 11)), Ok(too_large(1000)));
        message.head_was_read();
        assert_eq!(message.head_length(), None);
        assert_eq!(message.checked(frame(age, 9)), Ok(frame(age, 9)));
        assert_eq!(message.checked(frame(age, 10)).unwrap_err().code, Code::H3_EXCESSIVE_LOAD);
    }

    #[test]
    fn the_frame_for_a_head_that_is_too_large_is_small() {
        let frame = too_large(64 << 10);
        assert!(frame.len() < 2000, "{}", frame.len());
        let parsed = integer(&frame[1..]).unwrap();
        assert_eq!((frame[0], parsed.1), (1, 4));
        assert_eq!(parsed.0 as usize, payload(&frame).len());
        assert!(36 * (payload(&frame).len() - 2) > 64 << 10);
    }
}
