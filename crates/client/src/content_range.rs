//! Content-Range in responses to the request for the rest of a part (RFC 9110 sections 14.4 and 15.5.17).

use std::fmt;

use http::{HeaderMap, HeaderValue, header};
use record::{Fault, FaultKind, quoted};

use crate::{carried::content_length, part::PartFacts};

/// The value of Content-Range: the range of a part (RFC 9110 section 14.4).
#[derive(Debug)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The length of the whole representation; `None` if it is unknown.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    /// Returns the range of a response that continues the part. The range must begin where the part ends, and belong to
    /// the same representation. It must end with the representation, if the length of that is known.
    ///
    /// # Errors
    /// Fails if the response has another range, or none.
    pub(crate) fn continuing(headers: &HeaderMap, held: u64, facts: &PartFacts) -> Result<Self, Fault> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let stated = text(header::CONTENT_RANGE).unwrap_or("none");
        let wrong = |reason: &dyn fmt::Display| {
            let message =
                format!("the server sent another part (Content-Range: {}): {reason}", quoted(stated));
            Err(Fault::new(FaultKind::Protocol, message))
        };
        let Some(mut range) = Self::parse(stated) else { return wrong(&"not a range of bytes") };
        if range.first != held {
            return wrong(&format_args!("{held} bytes were received before"));
        }
        range.total = range.total.or(facts.length);
        if let Some(length) = facts.length.filter(|length| range.total != Some(*length)) {
            return wrong(&format_args!("the representation had {length} bytes before"));
        }
        if range.total.is_some_and(|total| range.last.checked_add(1) != Some(total)) {
            return wrong(&"the range does not reach the end");
        }
        if content_length(headers).is_some_and(|length| range.length() != Some(length)) {
            return wrong(&"the length differs");
        }
        let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
        if facts.if_range.starts_with('"') && tag.is_some_and(|tag| tag != facts.if_range.as_bytes()) {
            return wrong(&"the entity tag differs");
        }
        Ok(range)
    }

    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()?, total };
        (range.first <= range.last).then_some(range)
    }

    /// Returns the number of bytes in the range; `None` for a range of 2⁶⁴ bytes.
    pub(crate) fn length(&self) -> Option<u64> {
        self.last.checked_sub(self.first)?.checked_add(1)
    }
}

/// Checks that the part has all bytes of the representation, so that no further bytes can be requested.
pub(crate) fn check_complete(headers: &HeaderMap, held: u64, facts: &PartFacts) -> Result<(), Fault> {
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

    fn checked(
        range: &str,
        more: &[(header::HeaderName, &str)],
        length: Option<u64>,
    ) -> Result<Option<u64>, String> {
        let mut fields = headers(more);
        fields.insert(header::CONTENT_RANGE, range.parse().unwrap());
        let range = ContentRange::continuing(&fields, 500, &facts(length));
        range.map(|range| range.total).map_err(|fault| fault.message)
    }

    #[test]
    fn a_part_must_begin_at_the_held_bytes_and_reach_the_end_of_the_same_whole() {
        for length in [None, Some(1000)] {
            assert_eq!(checked("bytes 500-999/1000", &[(header::ETAG, "\"1\"")], length), Ok(Some(1000)));
        }
        assert_eq!(checked("bytes 500-999/*", &[], Some(1000)), Ok(Some(1000)));
        assert_eq!(checked("bytes 500-999/*", &[], None), Ok(None));
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
