//! The upload of one body.

use http::{HeaderValue, Method, Request, header, request};
use http_body_util::BodyExt as _;
use metrics::{Meter, Pace};
use payload::{Payload, PayloadError, Source};
use receiver::Receipt;
use record::{ByteSize, ChunkSize, DEFAULT_SEED, Fault, FaultKind, PayloadKind, Rate};
use run::{accepted, short_body};
use sender::{MeteredBody, SendProgress};
use transport::{Body, BodyLength, Connection};

use crate::{
    Target,
    transfer::{ContentReport, SentContent, request},
};

/// An upload of one body by PUT.
#[derive(Clone, Debug)]
pub struct Upload {
    pub(crate) payload: PayloadKind,
    size: Option<ByteSize>,
    pub(crate) chunk: ChunkSize,
    pub(crate) seed: u64,
    pub(crate) limit_rate: Option<Rate>,
}

impl Upload {
    /// The default size of a generated body: 2 GiB, far more than any buffer on the way.
    pub const SIZE: ByteSize = ByteSize(2 << 30);

    /// An upload of a payload: a whole file, all of standard input, or [`SIZE`](Self::SIZE) of a generated body. Chunk
    /// and seed have their defaults, and no rate is set.
    ///
    /// # Errors
    /// The payload is a file that cannot be opened, or no regular file.
    pub fn new(payload: PayloadKind) -> Result<Self, UploadError> {
        let size = match payload {
            PayloadKind::Random | PayloadKind::Zero => Some(Self::SIZE),
            PayloadKind::File(_) | PayloadKind::Stdin => payload::size(&payload)?.map(ByteSize),
        };
        Ok(Self { payload, size, chunk: ChunkSize::DEFAULT, seed: DEFAULT_SEED, limit_rate: None })
    }

    /// Sets the size of a generated body; `None` leaves it as it is.
    ///
    /// # Errors
    /// The payload is not generated and therefore has its own size.
    pub fn with_size(self, size: impl Into<Option<ByteSize>>) -> Result<Self, UploadError> {
        match size.into() {
            None => Ok(self),
            Some(_) if !self.payload.is_generated() => Err(UploadError::OwnSize { payload: self.payload }),
            size => Ok(Self { size, ..self }),
        }
    }

    /// Sets the number of bytes handed to the protocol at once.
    #[must_use]
    pub fn with_chunk(self, chunk: ChunkSize) -> Self {
        Self { chunk, ..self }
    }

    /// Sets the seed of a generated body.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the rate at which the body is offered; `None` offers it as fast as the protocol pulls.
    #[must_use]
    pub fn with_limit_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { limit_rate: rate.into(), ..self }
    }

    /// The size of the body; `None` for standard input.
    pub fn size(&self) -> Option<ByteSize> {
        self.size
    }

    /// Sends the body, and reads the server's confirmation.
    pub(crate) async fn exchange(
        self,
        target: &Target,
        connection: &dyn Connection,
        meter: &Meter,
    ) -> Result<ContentReport, Fault> {
        let payload = Payload::prepare(&self.payload, self.seed, self.chunk);
        let body = self.body(payload.open(self.size.unwrap_or_default().0)?, meter);
        let progress = body.progress();
        let request = self.request(target, body.map_err(Into::into).boxed_unsync())?;
        let confirmed = confirmation(connection, request).await;
        // A failure of the payload is the cause of all later failures of the protocol.
        if let Some(error) = progress.error() {
            return Err(Fault::new(FaultKind::Payload, error));
        }
        let receipt = confirmed?;
        let sent = meter.bytes();
        if let Some(receipt) = receipt.as_ref().filter(|receipt| receipt.bytes != sent) {
            let message = format!("{sent} bytes were sent, {} were received", receipt.bytes);
            return Err(Fault::new(FaultKind::Integrity, message));
        }
        self.check_completeness(&progress, sent)?;
        let received = receipt.as_ref().and_then(|receipt| receipt.digest.clone());
        let content = if self.payload.is_generated() {
            Some(SentContent::Generated(payload, sent))
        } else {
            progress.digest().map(SentContent::Digested)
        };
        Ok(ContentReport {
            sent: received.as_ref().and(content),
            received,
            receipt,
            ..ContentReport::default()
        })
    }

    /// The body, which digests itself unless its digest follows from seed and size.
    fn body(&self, source: Source, meter: &Meter) -> MeteredBody {
        let body = MeteredBody::new(source, meter.clone()).paced(self.limit_rate.map(Pace::new));
        if self.payload.is_generated() { body } else { body.digesting() }
    }

    fn request(&self, target: &Target, body: Body) -> Result<Request<Body>, Fault> {
        let mut request = self
            .with_content_type(request(Method::PUT, target))
            .body(body)
            .map_err(|error| Fault::new(FaultKind::Protocol, error))?;
        request.extensions_mut().insert(BodyLength(self.size.unwrap_or_default().0));
        Ok(request)
    }

    /// Sets the media type of the content. The type of a file follows from its name.
    fn with_content_type(&self, request: request::Builder) -> request::Builder {
        let content_type = match &self.payload {
            PayloadKind::File(path) => mime_guess::from_path(path).first_or_octet_stream(),
            _ => mime_guess::mime::APPLICATION_OCTET_STREAM,
        };
        match HeaderValue::from_str(content_type.as_ref()) {
            Ok(content_type) => request.header(header::CONTENT_TYPE, content_type),
            Err(_) => request,
        }
    }

    /// Checks that the server confirmed the whole body: a figure for a part would be wrong.
    fn check_completeness(&self, progress: &SendProgress, sent: u64) -> Result<(), Fault> {
        let expected = match self.size {
            Some(size) if size.0 == sent => return Ok(()),
            // A body of unknown length has a digest once its end has been read.
            None if progress.digest().is_some() => return Ok(()),
            Some(size) => format!("{} bytes", size.0),
            None => "a body of unknown length".into(),
        };
        let message = format!("the server confirmed the upload after {sent} bytes of {expected}");
        Err(Fault::new(FaultKind::Truncated, message))
    }
}

/// Sends a request, and reads the receipt of a longhaul server; `None` is the success of any other server.
async fn confirmation(connection: &dyn Connection, request: Request<Body>) -> Result<Option<Receipt>, Fault> {
    let response = accepted(connection.exchange(request).await?).await?;
    let text = short_body(response).await?;
    Ok(serde_json::from_slice(&text).ok())
}

/// A failure to begin an upload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The payload cannot be used.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A size was given for a payload that has its own size.
    #[error("a size contradicts payload {payload}: it has its own size")]
    OwnSize {
        /// The payload.
        payload: PayloadKind,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_generated_body_takes_a_size() {
        let size = ByteSize(7);
        for payload in [PayloadKind::Random, PayloadKind::Zero] {
            let upload = Upload::new(payload).unwrap();
            assert_eq!(upload.size(), Some(Upload::SIZE));
            assert_eq!(upload.with_size(None).unwrap().with_size(size).unwrap().size(), Some(size));
        }
        let stdin = Upload::new(PayloadKind::Stdin).unwrap();
        assert_eq!(stdin.size(), None);
        let error = stdin.with_size(size).unwrap_err();
        assert_eq!(error.to_string(), "a size contradicts payload -: it has its own size");
    }

    #[test]
    fn a_file_has_its_own_size_and_must_exist() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(3).unwrap();
        let upload = Upload::new(PayloadKind::File(file.path().into())).unwrap();
        assert_eq!(upload.size(), Some(ByteSize(3)));
        assert!(matches!(upload.with_size(ByteSize(3)), Err(UploadError::OwnSize { .. })));
        let missing = Upload::new(PayloadKind::File("/no/such".into())).unwrap_err();
        assert!(missing.to_string().contains("/no/such"), "{missing}");
    }

    #[test]
    fn a_file_is_sent_with_the_type_of_its_name() {
        let target = Target::parse("http://x/").unwrap();
        let content_type = |payload: PayloadKind| {
            let upload = Upload { payload, ..Upload::new(PayloadKind::Zero).unwrap() };
            let request = upload.request(&target, transport::body::empty()).unwrap();
            request.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned()
        };
        assert_eq!(content_type(PayloadKind::File("/a/b.html".into())), "text/html");
        assert_eq!(content_type(PayloadKind::File("/a/b".into())), "application/octet-stream");
        assert_eq!(content_type(PayloadKind::Random), "application/octet-stream");
    }
}
