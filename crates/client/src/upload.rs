//! The upload of one body.

use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use metrics::Pace;
use payload::{Payload, Source};
use record::{ByteSize, ChunkSize, DEFAULT_SEED, Fault, FaultKind, PayloadKind, Rate};
use sender::{MeteredBody, SendProgress};
use transport::{Body, BodyLength, ContinueTimeout};

use crate::{
    Form, RequestOptions, UploadError,
    activity::Outgoing,
    answer::Failure,
    confirmation::Confirmation,
    transfer::{ContentReport, Exchange, SentContent},
    upload_resume::Resumption,
};

/// An upload of one body by PUT, or of a form by POST.
#[derive(Clone, Debug)]
pub struct Upload {
    pub(crate) payload: PayloadKind,
    size: Option<ByteSize>,
    pub(crate) chunk: ChunkSize,
    pub(crate) seed: u64,
    pub(crate) limit_rate: Option<Rate>,
    framing: Framing,
    /// The resumption of the upload; `None` if each try begins at the start.
    pub(crate) resumption: Option<Resumption>,
    form: Option<Form>,
    expectation: Expectation,
}

/// The use of `Expect: 100-continue`, if the options allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expectation {
    /// The field is sent.
    Stated,
    /// The server refused the field (417), and it is left out.
    Refused,
}

/// The framing of the body over HTTP/1.1. Over every protocol, it determines whether the head states a Content-Length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// The chunked coding, without a Content-Length.
    Chunked,
    /// A Content-Length.
    Announced,
}

impl Upload {
    /// The default size of a generated body: 2 GiB, far more than any buffer on the path.
    pub const SIZE: ByteSize = ByteSize(2 << 30);

    /// Creates an upload of a payload: a whole file, all of standard input, or [`SIZE`](Self::SIZE) of a generated
    /// body. Chunk and seed have their defaults, and no rate is set.
    ///
    /// # Errors
    /// Fails if the payload is a file that cannot be opened, or a folder.
    pub fn new(payload: PayloadKind) -> Result<Self, UploadError> {
        let size = match payload {
            PayloadKind::Random | PayloadKind::Zero | PayloadKind::Cold(_) => Some(Self::SIZE),
            PayloadKind::File(_) | PayloadKind::Stdin => payload::size(&payload)?.map(ByteSize),
            PayloadKind::Form => return Err(UploadError::NoForm),
        };
        Ok(Self::of(payload, size, Framing::Chunked))
    }

    /// Creates an upload of a form by POST. Its length is announced if it is known.
    pub fn form(form: Form) -> Self {
        let size = form.size().map(ByteSize);
        let framing = if size.is_some() { Framing::Announced } else { Framing::Chunked };
        Self { form: Some(form), ..Self::of(PayloadKind::Form, size, framing) }
    }

    fn of(payload: PayloadKind, size: Option<ByteSize>, framing: Framing) -> Self {
        Self {
            payload,
            size,
            chunk: ChunkSize::DEFAULT,
            seed: DEFAULT_SEED,
            limit_rate: None,
            framing,
            resumption: None,
            form: None,
            expectation: Expectation::Stated,
        }
    }

    /// Sets the size of a generated body, or the number of bytes to read from a device or a pipe; `None` leaves the
    /// size unchanged.
    ///
    /// # Errors
    /// Fails if the payload has its own size.
    pub fn with_size(self, size: impl Into<Option<ByteSize>>) -> Result<Self, UploadError> {
        match size.into() {
            None => Ok(self),
            Some(_) if self.has_own_size() => Err(UploadError::OwnSize { payload: self.payload }),
            size => Ok(Self { size, ..self }),
        }
    }

    /// Returns whether the payload determines its own size. A device has as many bytes as are requested.
    fn has_own_size(&self) -> bool {
        match &self.payload {
            PayloadKind::Random | PayloadKind::Zero | PayloadKind::Cold(_) => false,
            PayloadKind::File(_) => self.size.is_some(),
            PayloadKind::Stdin | PayloadKind::Form => true,
        }
    }

    /// Sets the chunk size: the number of bytes handed to the protocol at once.
    #[must_use]
    pub fn with_chunk(self, chunk: ChunkSize) -> Self {
        Self { chunk, ..self }
    }

    /// Sets the seed of a generated body.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the rate at which the body is offered; `None` offers the body as fast as the protocol requests chunks.
    #[must_use]
    pub fn with_limit_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { limit_rate: rate.into(), ..self }
    }

    /// Announces the length of the body by Content-Length, and does not use the chunked coding.
    ///
    /// # Errors
    /// Fails if the size is unknown before the end.
    pub fn announcing_length(self) -> Result<Self, UploadError> {
        match self.size {
            Some(_) => Ok(Self { framing: Framing::Announced, ..self }),
            None => Err(UploadError::UnknownSize { payload: self.payload }),
        }
    }

    /// Returns the upload to make if the server requires a Content-Length; `None` if this upload already announces its
    /// length, or its size is unknown.
    pub(crate) fn with_length_required(&self) -> Option<Self> {
        if self.framing == Framing::Announced { None } else { self.clone().announcing_length().ok() }
    }

    /// Returns whether the head of a request states the length of its body.
    pub(crate) fn announces_length(&self) -> bool {
        self.framing == Framing::Announced
    }

    /// Returns the upload to make if the server refuses `Expect: 100-continue` (417); `None` if these options do not
    /// send the field.
    pub(crate) fn without_expectation(&self, options: &RequestOptions) -> Option<Self> {
        let is_stated = options.continue_timeout.is_some() && self.expectation == Expectation::Stated;
        is_stated.then(|| Self { expectation: Expectation::Refused, ..self.clone() })
    }

    /// Returns whether the content can be read again from its start: generated content, and regular files.
    pub fn is_repeatable(&self) -> bool {
        let is_sized = || payload::size(&self.payload).is_ok_and(|size| size.is_some());
        self.payload.is_generated() || self.form.as_ref().map_or_else(is_sized, |form| form.size().is_some())
    }

    /// Returns whether content that can be read only once is whole as long as nothing of it was read. A pipe or a device
    /// is opened for each attempt, and a pipe may lose its bytes when it is closed. Standard input stays open. A form opens
    /// a file when it reaches that file.
    pub(crate) fn stays_unread(&self) -> bool {
        matches!(self.payload, PayloadKind::Stdin | PayloadKind::Form)
    }

    /// Returns the content of the body in the form of a record.
    pub fn payload_kind(&self) -> &PayloadKind {
        &self.payload
    }

    /// Returns the size of the body; `None` if it is unknown before the transfer, as for standard input.
    pub fn size(&self) -> Option<ByteSize> {
        self.size
    }

    /// Sends the body, and reads the server's confirmation.
    pub(crate) async fn exchange(&mut self, by: &Exchange<'_>) -> Result<ContentReport, Failure> {
        if let Some(resumption) = self.resumption.clone() {
            return self.resume(resumption, by).await;
        }
        let payload = self.prepared(by.payload);
        let source = payload.open(self.size.map(|size| size.0)).map_err(Fault::from)?;
        let body = self.body(source, by);
        let progress = body.progress();
        let request = self.request(by, body)?;
        self.confirmed(request, progress, payload, 0, by).await
    }

    /// Sends a request whose body is the content from `offset` on, and reads the server's confirmation of the whole
    /// content.
    pub(crate) async fn confirmed(
        &self,
        request: Request<Body>,
        progress: SendProgress,
        payload: &Payload,
        offset: u64,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let confirmed = Confirmation::read(by, request, self.redirects_to_get()).await;
        // A failure of the payload is the cause of all later failures of the protocol.
        if let Some(error) = progress.error() {
            return Err(Fault::new(FaultKind::Payload, error).into());
        }
        let Confirmation { status, sent, is_whole, receipt, see_other } = confirmed?;
        let sent = offset.saturating_add(sent);
        if !is_whole {
            return self.incomplete(status, sent, by);
        }
        if let Some(receipt) = receipt.as_ref().filter(|receipt| receipt.bytes != sent) {
            let message = format!("{sent} bytes were sent, {} were received", receipt.bytes);
            return Err(Fault::new(FaultKind::Integrity, message).into());
        }
        let received = receipt.as_ref().and_then(|receipt| receipt.digest.clone());
        let content = if self.payload.is_generated() {
            Some(SentContent::Generated(payload.clone(), sent))
        } else {
            progress.digest().map(SentContent::Digested)
        };
        let (bytes, sent) = (sent, received.as_ref().and(content));
        Ok(ContentReport { bytes, sent, received, receipt, see_other, ..ContentReport::default() })
    }

    /// Returns the payload that all uploads of a thread share. The first call prepares it.
    pub(crate) fn prepared<'a>(&self, payload: &'a OnceLock<Payload>) -> &'a Payload {
        payload.get_or_init(|| match &self.form {
            Some(form) => Payload::of_segments(form.segments(), self.chunk),
            None => Payload::prepare(&self.payload, self.seed, self.chunk),
        })
    }

    /// Creates the body, which digests its bytes unless the digest follows from seed and size.
    fn body(&self, source: Source, by: &Exchange<'_>) -> MeteredBody {
        let body = MeteredBody::new(source, by.meter.clone()).paced(self.limit_rate.map(Pace::new));
        if self.payload.is_generated() { body } else { body.digesting() }
    }

    /// Returns the statuses of redirects that are followed by GET, without the body. As in browsers and curl, a form
    /// has more of them than a file (RFC 9110 section 15.4.2).
    fn redirects_to_get(&self) -> &'static [StatusCode] {
        match self.form {
            Some(_) => &[StatusCode::SEE_OTHER, StatusCode::FOUND, StatusCode::MOVED_PERMANENTLY],
            None => &[StatusCode::SEE_OTHER],
        }
    }

    fn request(&self, by: &Exchange<'_>, body: MeteredBody) -> Result<Request<Body>, Fault> {
        let announced = self.size.filter(|_| self.framing == Framing::Announced).map(|size| size.0);
        let mut fields = HeaderMap::new();
        fields.extend(self.content_type().map(|value| (header::CONTENT_TYPE, value)));
        fields.extend(announced.map(|length| (header::CONTENT_LENGTH, length.into())));
        fields.extend(self.expectation(by).map(|value| (header::EXPECT, value)));
        let body = Outgoing::new(body, by.activity.clone(), announced).boxed_unsync();
        let method = if self.form.is_some() { Method::POST } else { Method::PUT };
        let mut request = by.options.request(method, by.target, fields, body)?;
        let expected = request.headers().get(header::EXPECT);
        if expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(CONTINUE.as_bytes())) {
            let patience = by.options.continue_timeout.unwrap_or(RequestOptions::CONTINUE_TIMEOUT);
            request.extensions_mut().insert(ContinueTimeout(patience));
        }
        request.extensions_mut().insert(BodyLength(self.size.unwrap_or_default().0));
        Ok(request)
    }

    /// Returns the value of the field Expect; `None` leaves the field out. As in curl, only requests over HTTP/1.1
    /// carry the field. Over HTTP/2 and HTTP/3, a server can refuse a body by a reset of its stream.
    fn expectation(&self, by: &Exchange<'_>) -> Option<HeaderValue> {
        let is_http1 = by.target.protocol().http() == Some("1.1");
        let is_stated = by.options.continue_timeout.is_some() && self.expectation == Expectation::Stated;
        (is_http1 && is_stated).then(|| HeaderValue::from_static(CONTINUE))
    }

    /// Returns the media type of the content, which for a file follows from its name. `None` if it is unknown.
    pub(crate) fn content_type(&self) -> Option<HeaderValue> {
        if let Some(form) = &self.form {
            return Some(form.content_type().clone());
        }
        let content_type = match &self.payload {
            PayloadKind::File(path) => mime_guess::from_path(path).first_or_octet_stream(),
            _ => mime_guess::mime::APPLICATION_OCTET_STREAM,
        };
        HeaderValue::from_str(content_type.as_ref()).ok()
    }

    /// Returns the outcome if the response was complete after only a part of the body. The outcome is a failure,
    /// because a figure for a part would be wrong. If the user expects the refusal, the outcome is a success without
    /// figures.
    fn incomplete(&self, status: StatusCode, sent: u64, by: &Exchange<'_>) -> Result<ContentReport, Failure> {
        if !status.is_success() && by.options.expected.contains(status) {
            return Ok(ContentReport { is_partial: true, ..ContentReport::default() });
        }
        let expected = match self.size {
            Some(size) => format!("{} bytes", size.0),
            None => "a body of unknown length".into(),
        };
        let message = format!("the server confirmed the upload ({status}) after {sent} bytes of {expected}");
        Err(Fault::new(FaultKind::Truncated, message).into())
    }
}

/// The value of Expect by which a client asks for the status 100 before its body.
const CONTINUE: &str = "100-continue";

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
        assert_eq!(error.to_string(), "payload - has a size of its own; give no other size");
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
        let content_type = |payload: PayloadKind| {
            let upload = Upload { payload, ..Upload::new(PayloadKind::Zero).unwrap() };
            upload.content_type().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(content_type(PayloadKind::File("/a/b.html".into())), "text/html");
        assert_eq!(content_type(PayloadKind::File("/a/b".into())), "application/octet-stream");
        assert_eq!(content_type(PayloadKind::Random), "application/octet-stream");
    }

    #[test]
    fn only_a_known_length_is_announced_and_only_once_more() {
        let upload = Upload::new(PayloadKind::Zero).unwrap();
        let again = upload.with_length_required().unwrap();
        assert!(again.with_length_required().is_none());
        let stdin = Upload::new(PayloadKind::Stdin).unwrap();
        assert!(stdin.with_length_required().is_none());
        assert!(matches!(stdin.announcing_length(), Err(UploadError::UnknownSize { .. })));
    }
}
