//! A transfer of one body in either direction, and the reports of its ends about the content.

use std::sync::OnceLock;

use metrics::Meter;
use payload::{Digest, Payload};
use receiver::Receipt;
use record::{ByteSize, Case, ChunkSize, Direction, Integrity, Limits};
use transport::Connection;

use crate::{
    Download, RequestOptions, Target, Upload, activity::Activity, answer::Failure, output::Completion,
};

/// A transfer of one body: an upload or a download.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transfer {
    /// An upload of one body.
    Upload(Upload),
    /// A download of one body.
    Download(Download),
}

impl Transfer {
    /// Returns the direction of the body.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Upload(_) => Direction::Up,
            Self::Download(_) => Direction::Down,
        }
    }

    /// Returns the size of the body; `None` if it is unknown before the transfer.
    pub fn size(&self) -> Option<ByteSize> {
        match self {
            Self::Upload(upload) => upload.size(),
            Self::Download(_) => None,
        }
    }

    /// Returns the chunk size for the case of a record.
    pub(crate) fn chunk(&self, target: &Target) -> ChunkSize {
        match self {
            Self::Upload(upload) => upload.chunk,
            Self::Download(_) => Download::chunk(target),
        }
    }

    /// Returns the case of a record of the transfer. The body is empty if its size is not known yet.
    pub(crate) fn case(&self, target: &Target, limits: &Limits) -> Case {
        let mut case = Case::new(target.protocol().name);
        case.direction = self.direction();
        case.chunk = self.chunk(target);
        case.body = self.size().unwrap_or_default();
        case.limits = limits.clone();
        // Receivers of `send` and `fetch` do not busy-poll.
        case.spin = None;
        match self {
            Self::Upload(upload) => {
                case.payload = upload.payload.clone();
                case.seed = upload.seed;
                case.limit_rate = upload.limit_rate;
            }
            Self::Download(download) => {
                case.sink = download.sink();
                case.reader_rate = download.reader_rate;
                case.seed = Download::seed(target).unwrap_or(case.seed);
            }
        }
        case
    }

    /// Makes the exchange of request and response, and moves the body.
    ///
    /// # Errors
    /// Fails if the connection, the payload or the output fails, if the server refuses, or if it confirms another
    /// length.
    pub(crate) async fn exchange(&mut self, by: &Exchange<'_>) -> Result<ContentReport, Failure> {
        match self {
            Self::Upload(upload) => upload.exchange(by).await,
            Self::Download(download) => download.exchange(by).await,
        }
    }

    /// Returns a copy of the transfer, for another body at the same time.
    ///
    /// # Errors
    /// Fails if the content of an upload can be read only once, or if the output of a download can have one body only.
    pub(crate) fn copy(&self) -> Result<Self, String> {
        match self {
            Self::Upload(upload) if upload.resumption.is_some() => {
                Err("an upload that can be resumed is one body".into())
            }
            Self::Upload(upload) => self.check_repeatable().map(|()| upload.clone().into()),
            Self::Download(download) => download.copy().map(Self::Download),
        }
    }

    /// Checks that the transfer can be made again from its start.
    ///
    /// # Errors
    /// Fails if the content of an upload can be read only once, or if the output of a download may have bytes already.
    pub(crate) fn check_repeatable(&self) -> Result<(), String> {
        match self {
            Self::Upload(upload) if !upload.is_repeatable() => {
                Err(format!("payload {} cannot be read from its start again", upload.payload))
            }
            Self::Download(download) if !download.output.can_be_opened() => {
                Err("the output cannot be written from its start again".into())
            }
            Self::Upload(_) | Self::Download(_) => Ok(()),
        }
    }

    /// Checks that the transfer can be made again after an attempt that has left its content in this state.
    ///
    /// # Errors
    /// Fails as [`check_repeatable`](Self::check_repeatable) does, unless the attempt read nothing and lost nothing.
    pub(crate) fn check_repeatable_after(&self, content: ContentState) -> Result<(), String> {
        match self {
            Self::Upload(upload) if content == ContentState::Unread && upload.stays_unread() => Ok(()),
            Self::Upload(_) | Self::Download(_) => self.check_repeatable(),
        }
    }

    /// Returns whether another try would continue where the last try ended.
    pub(crate) fn goes_on(&self) -> bool {
        match self {
            Self::Upload(upload) => upload.goes_on(),
            Self::Download(_) => false,
        }
    }

    /// Returns the offset at which the last try continued; `None` if it began at the start.
    pub(crate) fn resumed_at(&self) -> Option<u64> {
        match self {
            Self::Upload(upload) => {
                upload.resumption.as_ref().map(|resumption| resumption.offset).filter(|offset| *offset > 0)
            }
            Self::Download(_) => None,
        }
    }

    /// Returns the transfer to make if the server refuses `Expect: 100-continue`; `None` if the field was not sent.
    pub(crate) fn without_expectation(&self, options: &RequestOptions) -> Option<Self> {
        match self {
            Self::Upload(upload) => upload.without_expectation(options).map(Self::Upload),
            Self::Download(_) => None,
        }
    }

    /// Returns the transfer to make if the server requires a Content-Length; `None` if this transfer already announces
    /// its length, or cannot announce one.
    pub(crate) fn with_length_required(&self) -> Option<Self> {
        match self {
            Self::Upload(upload) => upload.with_length_required().map(Self::Upload),
            Self::Download(_) => None,
        }
    }
}

impl From<Upload> for Transfer {
    fn from(upload: Upload) -> Self {
        Self::Upload(upload)
    }
}

impl From<Download> for Transfer {
    fn from(download: Download) -> Self {
        Self::Download(download)
    }
}

/// The target and the connection of an exchange, and the instruments that observe it.
pub(crate) struct Exchange<'a> {
    pub(crate) target: &'a Target,
    pub(crate) options: &'a RequestOptions,
    pub(crate) connection: &'a dyn Connection,
    pub(crate) meter: &'a Meter,
    /// The payload that all uploads of a thread share. The first upload prepares it.
    pub(crate) payload: &'a OnceLock<Payload>,
    pub(crate) activity: &'a Activity,
}

/// The state of the content of an upload after an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ContentState {
    /// A part of the content may have been read.
    #[default]
    Touched,
    /// Nothing of the content was read, and nothing will be.
    Unread,
}

/// The reports of both ends about the content of a body.
#[derive(Debug, Default)]
pub(crate) struct ContentReport {
    /// The number of bytes that moved.
    pub(crate) bytes: u64,
    /// The content according to the sender.
    pub(crate) sent: Option<SentContent>,
    /// The digest according to the receiver, in hexadecimal.
    pub(crate) received: Option<String>,
    /// The confirmation by a longhaul server.
    pub(crate) receipt: Option<Receipt>,
    /// The remaining step of a download's output, once the content is verified.
    pub(crate) output: Completion,
    /// The comparison with a digest that the server stated in a header field or a trailer.
    pub(crate) proof: Option<Integrity>,
    /// The target of a 303 in response to a whole upload.
    pub(crate) see_other: Option<String>,
    /// True if, as expected, no whole body moved: the server refused an upload early, or a download was already
    /// complete. Such a transfer has no goodput.
    pub(crate) is_partial: bool,
}

/// The content that was sent. The digest of a generated body is computed later, because this takes time that is not
/// part of the transfer.
#[derive(Debug)]
pub(crate) enum SentContent {
    /// The digest of the bytes that were sent.
    Digested(Digest),
    /// A generated payload, and the number of its bytes.
    Generated(Payload, u64),
}

impl SentContent {
    /// Returns the digest of the content, in hexadecimal; `None` if it is unknown.
    pub(crate) fn digest(&self) -> Option<String> {
        match self {
            Self::Digested(digest) => Some(digest.to_string()),
            Self::Generated(payload, bytes) => payload.digest(*bytes).map(|digest| digest.to_string()),
        }
    }
}
