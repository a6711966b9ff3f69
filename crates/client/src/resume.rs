//! The completion of a download that broke off, by Range and If-Range (RFC 9110 sections 13.1.5 and 14).

use std::io;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use receiver::Sink;
use record::{Fault, FaultKind, Integrity, redacted_url};
use tokio::task::spawn_blocking;
use transport::Body;

use crate::{
    Download,
    answer::{Failure, accepted},
    carried::Carried,
    checksum::{self, Checksums, REPR_DIGEST},
    content_range::{ContentRange, check_complete},
    download::{Received, digesting, generated, request, whole},
    output::Completion,
    part::{Part, PartFacts},
    transfer::{ContentReport, Exchange},
    validator::strong_validator,
};

impl Download {
    /// Completes the part that an earlier download left, or begins a new part.
    pub(crate) async fn resume(&mut self, by: &Exchange<'_>) -> Result<ContentReport, Failure> {
        let Some(target) = self.output.path().map(ToOwned::to_owned) else {
            return Err(Fault::new(FaultKind::Save, "only a download into a file can be resumed").into());
        };
        if by.options.asks_for_range() {
            let message = "a download is resumed by a Range of its own; drop -H Range or -C -";
            return Err(Fault::new(FaultKind::Protocol, message).into());
        }
        let resource = PartFacts::resource_of(&by.target.url());
        let part = blocking(move || Part::open(&target, &resource)).await?;
        let asked = part.resumable().map(|(held, facts)| (held, facts.clone()));
        let fields = asked.as_ref().map(|(held, facts)| range_fields(*held, facts)).transpose()?;
        let response = request(by, fields.unwrap_or_default()).await?;
        match (response.status(), asked) {
            (StatusCode::PARTIAL_CONTENT, Some((held, facts))) => {
                let range = ContentRange::continuing(response.headers(), held, &facts)?;
                self.append(part, range.into(), response, by).await
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((held, facts))) => {
                check_complete(response.headers(), held, &facts)?;
                // A digest in this response is that of an error page.
                let (part, proof) = digested(part, &HeaderMap::new()).await?;
                let proof = Ending::Known.check(&part, proof)?;
                let output = Completion::Part(part.into());
                Ok(ContentReport { output, proof, is_partial: true, ..ContentReport::default() })
            }
            _ => self.begin(part, response, by).await,
        }
    }

    /// Receives a whole body. The body goes into the part if a later download can resume it.
    async fn begin(
        &mut self,
        mut part: Part,
        response: Response<Body>,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let response = whole(accepted(response, &by.options.expected).await?, by)?;
        if !response.status().is_success() {
            return self.receive_whole(response, by).await;
        }
        let validator = strong_validator(response.headers()).filter(|_| response.status() == StatusCode::OK);
        let Some(if_range) = validator else {
            blocking(move || {
                part.discard();
                Ok(())
            })
            .await?;
            return self.receive_whole(response, by).await;
        };
        let repr_digest = response.headers().get(&REPR_DIGEST).and_then(|value| value.to_str().ok());
        let length = Carried::Whole.length(response.headers());
        let facts = PartFacts {
            url: redacted_url(&by.target.url()),
            resource: PartFacts::resource_of(&by.target.url()),
            if_range,
            length,
            repr_digest: repr_digest.map(ToOwned::to_owned),
        };
        let part = blocking(move || part.restart(facts).map(|()| part)).await?;
        self.append(part, Content { held: 0, length, ending: Ending::Known }, response, by).await
    }

    /// Appends the content of a response to the part.
    async fn append(
        &mut self,
        part: Part,
        content: Content,
        response: Response<Body>,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let (head, body) = response.into_parts();
        let Content { held, length, ending } = content;
        let checksums = match held {
            0 => Checksums::of_whole(&head.headers),
            _ => Checksums::of_part(&head.headers),
        };
        let sent = generated(by.target, &head.headers);
        let (hasher, writer) = part.continuation();
        let sink = digesting(Sink::stream_after(hasher, writer), sent.as_ref());
        let received = Received { body, checksums, length, sink, rate: self.reader_rate, halt: None };
        let (receipt, proof) = match received.run(by).await {
            Ok(received) => received,
            Err(fault) => {
                if fault.kind == FaultKind::Integrity {
                    part.discard();
                }
                return Err(fault.into());
            }
        };
        let (bytes, received) = (receipt.bytes, sent.as_ref().and(receipt.digest));
        let (part, whole) = if held == 0 { (part, None) } else { digested(part, &head.headers).await? };
        let whole = ending.check(&part, whole)?;
        let (output, proof) = (Completion::Part(part.into()), whole.or_else(|| proof.get().cloned()));
        Ok(ContentReport { bytes, received, sent, output, proof, ..ContentReport::default() })
    }
}

fn range_fields(held: u64, facts: &PartFacts) -> Result<HeaderMap, Fault> {
    let value =
        |text: String| HeaderValue::try_from(text).map_err(|error| Fault::new(FaultKind::Save, error));
    let range = (header::RANGE, value(format!("bytes={held}-"))?);
    Ok([range, (header::IF_RANGE, value(facts.if_range.clone())?)].into_iter().collect())
}

/// The content of a response that is appended to a part.
struct Content {
    /// The number of bytes in the part.
    held: u64,
    /// The number of bytes that follow; `None` if it is unknown.
    length: Option<u64>,
    ending: Ending,
}

impl From<ContentRange> for Content {
    fn from(range: ContentRange) -> Self {
        let ContentRange { first, last, total } = range;
        let ending = if total.is_some() { Ending::Known } else { Ending::Unknown { first, last } };
        Self { held: first, length: range.length(), ending }
    }
}

/// The knowledge whether the content of a response ends with the representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The content ends with the representation.
    Known,
    /// More bytes may follow the range, because no response states the length of the representation.
    Unknown { first: u64, last: u64 },
}

impl Ending {
    /// Checks that a file is complete, and that it has its digest. Returns the comparison. A file that may be incomplete
    /// stays a part, for a later download.
    ///
    /// # Errors
    /// Fails if the digest differs, or if neither a length nor a digest shows that the file is complete.
    fn check(self, part: &Part, proof: Option<Integrity>) -> Result<Option<Integrity>, Fault> {
        match (self, proof) {
            (_, Some(proof)) if proof.matches => Ok(Some(proof)),
            (Self::Known, None) => Ok(None),
            (Self::Known, Some(Integrity { algorithm, sent, received, .. })) => {
                part.discard();
                let message =
                    format!("the server states the {algorithm} {sent}, the completed file has {received}");
                Err(Fault::new(FaultKind::Integrity, message))
            }
            (Self::Unknown { first, last }, _) => {
                let message = format!(
                    "the server does not state the length of the whole (Content-Range: bytes {first}-{last}/*), so the \
                     file may be incomplete; its part stays, and another -C - continues it"
                );
                Err(Fault::new(FaultKind::Protocol, message))
            }
        }
    }
}

/// Compares the whole file with the digest of the representation, if the server states a digest now or stated one when
/// the part began.
async fn digested(part: Part, headers: &HeaderMap) -> Result<(Part, Option<Integrity>), Fault> {
    let before = || part.repr_digest().and_then(|value| checksum::stated_in([value.as_str()]));
    let Some(stated) = checksum::stated(headers, &REPR_DIGEST).or_else(before) else {
        return Ok((part, None));
    };
    let digesting =
        move || part.digest(stated.algorithm).map(|digest| (part, checksum::compare(&stated, &digest)));
    blocking(digesting).await.map(|(part, proof)| (part, Some(proof)))
}

/// Runs work on the disk on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let done = spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(|error| Fault::new(FaultKind::Save, format!("the unfinished file: {error}")))
}
