//! The completion of a download that broke off, by Range and If-Range (RFC 9110 sections 13.1.5 and 14).

use std::{fmt, io};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use receiver::Sink;
use record::{Fault, FaultKind, Integrity, quoted, redacted_url};
use tokio::task::spawn_blocking;
use transport::Body;

use crate::{
    Download,
    answer::{Failure, accepted},
    checksum::{self, Checksums, REPR_DIGEST},
    download::{Received, content_length, digesting, generated, request, whole},
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
                check_range(response.headers(), held, &facts)?;
                self.append(part, held, response, by).await
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((held, facts))) => {
                check_complete(response.headers(), held, &facts)?;
                let (part, proof) = verify(part, response.headers()).await?;
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
        let facts = PartFacts {
            url: redacted_url(&by.target.url()),
            resource: PartFacts::resource_of(&by.target.url()),
            if_range,
            length: content_length(response.headers(), by),
            repr_digest: repr_digest.map(ToOwned::to_owned),
        };
        let part = blocking(move || part.restart(facts).map(|()| part)).await?;
        self.append(part, 0, response, by).await
    }

    /// Appends the body of a response to the `held` bytes of the part.
    async fn append(
        &mut self,
        part: Part,
        held: u64,
        response: Response<Body>,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let (head, body) = response.into_parts();
        let checksums = match held {
            0 => Checksums::of_whole(&head.headers),
            _ => Checksums::of_part(&head.headers),
        };
        let sent = generated(by.target, &head.headers);
        let (hasher, writer) = part.continuation();
        let sink = digesting(Sink::stream_after(hasher, writer), sent.as_ref());
        let length = content_length(&head.headers, by);
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
        let (part, whole) = if held == 0 { (part, None) } else { verify(part, &head.headers).await? };
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

/// Checks that a response completes the part. Its range must begin where the part ends, end with the representation,
/// and belong to the same representation.
fn check_range(headers: &HeaderMap, held: u64, facts: &PartFacts) -> Result<(), Fault> {
    let stated = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or("none");
    let wrong = |reason: &dyn fmt::Display| {
        let message = format!("the server sent another part (Content-Range: {}): {reason}", quoted(stated));
        Err(Fault::new(FaultKind::Protocol, message))
    };
    let Some(range) = ContentRange::parse(stated) else { return wrong(&"not a range of bytes") };
    if range.first != held {
        return wrong(&format_args!("{held} bytes were received before"));
    }
    let total = range.total.or(facts.length);
    if facts.length.is_some_and(|length| total != Some(length)) {
        return wrong(&format_args!(
            "the representation had {} bytes before",
            facts.length.unwrap_or_default()
        ));
    }
    if total.is_some_and(|total| range.last.checked_add(1) != Some(total)) {
        return wrong(&"the range does not reach the end");
    }
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| (range.last - range.first).checked_add(1) != Some(length)) {
        return wrong(&"the length differs");
    }
    let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
    if facts.if_range.starts_with('"') && tag.is_some_and(|tag| tag != facts.if_range.as_bytes()) {
        return wrong(&"the entity tag differs");
    }
    Ok(())
}

/// Checks that the part has all bytes of the representation, so that no further bytes can be requested.
fn check_complete(headers: &HeaderMap, held: u64, facts: &PartFacts) -> Result<(), Fault> {
    let stated = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or("none");
    let total = stated.trim().strip_prefix("bytes").and_then(|rest| rest.trim_start().strip_prefix("*/"));
    let is_complete = total.and_then(|total| total.trim().parse().ok()) == Some(held);
    if is_complete && facts.length.is_none_or(|length| length == held) {
        return Ok(());
    }
    let stated = quoted(stated);
    let message =
        format!("the server has no bytes after the {held} received before (Content-Range: {stated})");
    Err(Fault::new(FaultKind::Http, message))
}

/// The value of Content-Range: the range of a part (RFC 9110 section 14.4).
struct ContentRange {
    first: u64,
    last: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()?, total };
        (range.first <= range.last).then_some(range)
    }
}

/// Verifies the whole file by the digest of the representation, if the server states a digest now or stated one when
/// the part began.
async fn verify(part: Part, headers: &HeaderMap) -> Result<(Part, Option<Integrity>), Failure> {
    let before = || part.repr_digest().and_then(|value| checksum::stated_in([value.as_str()]));
    let Some(stated) = checksum::stated(headers, &REPR_DIGEST).or_else(before) else {
        return Ok((part, None));
    };
    let digesting =
        move || part.digest(stated.algorithm).map(|digest| (part, checksum::compare(&stated, &digest)));
    let (part, proof) = blocking(digesting).await?;
    if proof.matches {
        return Ok((part, Some(proof)));
    }
    part.discard();
    let Integrity { algorithm, sent, received, .. } = proof;
    let message = format!("the server states the {algorithm} {sent}, the completed file has {received}");
    Err(Fault::new(FaultKind::Integrity, message).into())
}

/// Runs work on the disk on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let done = spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(|error| Fault::new(FaultKind::Save, format!("the unfinished file: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(header::HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn facts(length: Option<u64>) -> PartFacts {
        let (url, if_range) = (String::new(), "\"1\"".into());
        PartFacts { resource: url.clone(), url, if_range, length, repr_digest: None }
    }

    fn checked(range: &str, more: &[(header::HeaderName, &str)], length: Option<u64>) -> Result<(), String> {
        let mut fields = headers(more);
        fields.insert(header::CONTENT_RANGE, range.parse().unwrap());
        check_range(&fields, 500, &facts(length)).map_err(|fault| fault.message)
    }

    #[test]
    fn a_part_must_begin_at_the_held_bytes_and_reach_the_end_of_the_same_whole() {
        for length in [None, Some(1000)] {
            assert_eq!(checked("bytes 500-999/1000", &[(header::ETAG, "\"1\"")], length), Ok(()));
        }
        assert_eq!(checked("bytes 500-999/*", &[], Some(1000)), Ok(()));
        assert_eq!(checked("bytes 500-999/*", &[], None), Ok(()));
        for (range, part) in [
            ("bytes 0-999/1000", "500 bytes were received before"),
            ("bytes 501-999/1000", "500 bytes were received before"),
            ("bytes 500-998/1000", "does not reach"),
            ("bytes 500-999/2000", "had 1000 bytes"),
            ("bytes 500-1999/2000", "had 1000 bytes"),
            ("bytes 500-999", "not a range"),
            ("bytes 999-500/1000", "not a range"),
            ("items 500-999/1000", "not a range"),
            ("bytes 500-18446744073709551615/*", "does not reach"),
            ("bytes 500-18446744073709551616/*", "not a range"),
        ] {
            let text = checked(range, &[], Some(1000)).unwrap_err();
            assert!(text.contains(part) && text.contains(range), "{range}: {text}");
        }
        let text = checked("bytes 500-999/1000", &[(header::CONTENT_LENGTH, "499")], None).unwrap_err();
        assert!(text.contains("length"), "{text}");
        let text = checked("bytes 500-999/1000", &[(header::ETAG, "\"2\"")], None).unwrap_err();
        assert!(text.contains("entity tag"), "{text}");
    }

    #[test]
    fn nothing_is_missing_only_if_the_whole_has_as_many_bytes() {
        for (range, length, complete) in [
            ("bytes */500", None, true),
            ("bytes */500", Some(500), true),
            ("bytes */500", Some(1000), false),
            ("bytes */1000", None, false),
            ("bytes */*", None, false),
            ("bytes 0-499/500", None, false),
        ] {
            let fields = headers(&[(header::CONTENT_RANGE, range)]);
            assert_eq!(check_complete(&fields, 500, &facts(length)).is_ok(), complete, "{range}");
        }
        assert!(check_complete(&HeaderMap::new(), 500, &facts(None)).is_err());
    }
}
