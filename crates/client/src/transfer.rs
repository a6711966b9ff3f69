//! A transfer of one body in either direction, and the content reported by its ends.

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
    /// An upload.
    Upload(Upload),
    /// A download.
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

    /// Returns the size of the body, if it is known before the transfer.
    pub fn size(&self) -> Option<ByteSize> {
        match self {
            Self::Upload(upload) => upload.size(),
            Self::Download(_) => None,
        }
    }

    /// Returns the chunk that the case states.
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
        // Receivers of `send` and `fetch` sleep at once.
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

    /// Makes the exchange.
    ///
    /// # Errors
    /// Fails if the connection, the payload or the output failed, the server refused, or it confirmed another length.
    pub(crate) async fn exchange(self, by: &Exchange<'_>) -> Result<ContentReport, Failure> {
        match self {
            Self::Upload(upload) => upload.exchange(by).await,
            Self::Download(download) => download.exchange(by).await,
        }
    }

    /// Returns the transfer to make if the server requires a Content-Length and this one announces none.
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
    pub(crate) activity: &'a Activity,
}

/// The content of a body, as far as its ends report it.
#[derive(Debug, Default)]
pub(crate) struct ContentReport {
    /// The content as the sender knows it.
    pub(crate) sent: Option<SentContent>,
    /// The digest that the receiver reported.
    pub(crate) received: Option<String>,
    /// The confirmation of a longhaul server.
    pub(crate) receipt: Option<Receipt>,
    /// The output of a download, which waits for the verification of its content.
    pub(crate) output: Completion,
    /// The comparison with a digest that the server stated in a field.
    pub(crate) proof: Option<Integrity>,
    /// True if no whole body moved, as expected: the server refused an upload early, or had no bytes that were missing.
    /// Such a transfer has no goodput.
    pub(crate) is_partial: bool,
}

/// The content that was sent. The digest of a generated body takes time to compute, which is not part of the transfer.
#[derive(Debug)]
pub(crate) enum SentContent {
    /// The digest of the bytes as they were sent.
    Digested(Digest),
    /// A generated payload, and the number of its bytes.
    Generated(Payload, u64),
}

impl SentContent {
    /// Returns the digest, in hexadecimal.
    pub(crate) fn digest(&self) -> Option<String> {
        match self {
            Self::Digested(digest) => Some(digest.to_string()),
            Self::Generated(payload, bytes) => payload.digest(*bytes).map(|digest| digest.to_string()),
        }
    }
}
