//! The preconditions of a request, in the order of RFC 9110 section 13.2.2.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, StatusCode, header};
use receiver::save::Existing;

use crate::{
    entity_tags::{Comparison, Tags},
    refusal::Refusal,
    validators::Validators,
};

/// The outcome of the preconditions of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request is served.
    Serve,
    /// The client already has this version (304).
    NotModified,
}

/// Evaluates the preconditions of a GET or HEAD of a file.
///
/// # Errors
/// Fails if a precondition is false (412).
pub(crate) fn of_download(headers: &HeaderMap, file: &Validators) -> Result<Outcome, Refusal> {
    requirements(headers, Some(file))?;
    let unchanged = if headers.contains_key(header::IF_NONE_MATCH) {
        Tags::of(headers, header::IF_NONE_MATCH).any_is(file, Comparison::Weak)
    } else {
        let since = date(headers, header::IF_MODIFIED_SINCE);
        matches!((since, file.modified), (Some(since), Some(modified)) if modified <= since)
    };
    Ok(if unchanged { Outcome::NotModified } else { Outcome::Serve })
}

/// Evaluates the preconditions of an upload to a name, whose current file is `file`.
///
/// # Errors
/// Fails if a precondition is false (412), or cannot be read (400): ignoring it would overwrite a file that the client
/// protects.
pub(crate) fn of_upload(headers: &HeaderMap, file: Option<&Validators>) -> Result<(), Refusal> {
    requirements(headers, file)?;
    if !headers.contains_key(header::IF_NONE_MATCH) {
        return Ok(());
    }
    let tags = Tags::of(headers, header::IF_NONE_MATCH);
    if tags.malformed {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "If-None-Match: neither * nor ETags in quotes"));
    }
    match file {
        Some(file) if tags.any_is(file, Comparison::Weak) => Err(failed("If-None-Match: the file exists")),
        _ => Ok(()),
    }
}

/// Returns whether a request has preconditions other than those for caches and ranges.
pub(crate) fn are_present(headers: &HeaderMap) -> bool {
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Returns the file that the preconditions of an upload allow it to replace. The preconditions hold now, and must still
/// hold when the body is complete.
pub(crate) fn replaceable(headers: &HeaderMap, file: Option<&Validators>) -> Existing {
    if Tags::of(headers, header::IF_NONE_MATCH).any {
        return Existing::Keep;
    }
    let of_version = match headers.contains_key(header::IF_MATCH) {
        true => !Tags::of(headers, header::IF_MATCH).any,
        false => date(headers, header::IF_UNMODIFIED_SINCE).is_some(),
    };
    match file {
        Some(file) if of_version => Existing::Unchanged(file.version),
        _ => Existing::Replace,
    }
}

/// Returns whether a Range header applies. It does not if its client has a part of another version (If-Range, RFC 9110
/// section 13.1.5).
pub(crate) fn range_applies(headers: &HeaderMap, file: &Validators, now: SystemTime) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        // Without If-Range, the range applies. Two such fields match nothing.
        return !headers.contains_key(header::IF_RANGE);
    };
    let Ok(text) = value.to_str() else { return false };
    match httpdate::parse_http_date(text) {
        Ok(date) => file.modified == Some(date) && file.is_settled(now),
        // The comparison is strong: a weak tag begins with W/ and is never equal.
        Err(_) => text.trim() == file.etag,
    }
}

/// Checks If-Match, or else If-Unmodified-Since.
fn requirements(headers: &HeaderMap, file: Option<&Validators>) -> Result<(), Refusal> {
    if headers.contains_key(header::IF_MATCH) {
        let tags = Tags::of(headers, header::IF_MATCH);
        return match file {
            Some(file) if tags.any_is(file, Comparison::Strong) => Ok(()),
            Some(_) => Err(failed("If-Match: the file is another version")),
            None => Err(failed("If-Match: there is no such file")),
        };
    }
    let since = date(headers, header::IF_UNMODIFIED_SINCE);
    match (since, file.and_then(|file| file.modified)) {
        (Some(since), Some(modified)) if modified > since => {
            Err(failed("If-Unmodified-Since: the file was modified later"))
        }
        _ => Ok(()),
    }
}

fn failed(reason: &str) -> Refusal {
    Refusal::new(StatusCode::PRECONDITION_FAILED, reason)
}

/// Returns the date in a field. A field that is not exactly one valid date is ignored (RFC 9110 sections 13.1.3 and
/// 13.1.4).
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::HeaderValue;
    use receiver::save::FileVersion;

    use super::{Outcome::*, *};

    const NOW: SystemTime = UNIX_EPOCH;
    const BEFORE: &str = "Thu, 01 Jan 1970 00:16:39 GMT";
    const EXACTLY: &str = "Thu, 01 Jan 1970 00:16:40 GMT";
    const AFTER: &str = "Thu, 01 Jan 1970 00:16:41 GMT";

    fn file() -> Validators {
        Validators {
            etag: "\"a\"".into(),
            modified: Some(UNIX_EPOCH + Duration::from_secs(1000)),
            version: FileVersion::default(),
        }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().copied().map(field) {
            headers.append(name, value);
        }
        headers
    }

    fn download(fields: &[(&'static str, &'static str)]) -> Result<Outcome, u16> {
        of_download(&headers(fields), &file()).map_err(|refusal| refusal.status().as_u16())
    }

    fn upload(fields: &[(&'static str, &'static str)], file: Option<&Validators>) -> Result<(), u16> {
        of_upload(&headers(fields), file).map_err(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn a_client_that_has_this_version_is_told_so() {
        for (fields, expected) in [
            (&[][..], Ok(Serve)),
            (&[("if-none-match", "\"a\"")], Ok(NotModified)),
            (&[("if-none-match", "W/\"a\"")], Ok(NotModified)),
            (&[("if-none-match", "\"x\", \"a\"")], Ok(NotModified)),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], Ok(NotModified)),
            (&[("if-none-match", "*")], Ok(NotModified)),
            (&[("if-none-match", "\"b\"")], Ok(Serve)),
            (&[("if-none-match", "a")], Ok(Serve)),
            (&[("if-modified-since", BEFORE)], Ok(Serve)),
            (&[("if-modified-since", EXACTLY)], Ok(NotModified)),
            (&[("if-modified-since", AFTER)], Ok(NotModified)),
            (&[("if-modified-since", "yesterday")], Ok(Serve)),
            // The ETag decides where both are given.
            (&[("if-none-match", "\"b\""), ("if-modified-since", AFTER)], Ok(Serve)),
            (&[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], Ok(NotModified)),
        ] {
            assert_eq!(download(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_requirement_that_is_not_met_fails_before_everything_else() {
        for (fields, expected) in [
            (&[("if-match", "\"a\"")][..], Ok(Serve)),
            (&[("if-match", "*")], Ok(Serve)),
            (&[("if-match", "\"b\"")], Err(412)),
            (&[("if-match", "W/\"a\"")], Err(412)),
            (&[("if-match", "a")], Err(412)),
            (&[("if-unmodified-since", BEFORE)], Err(412)),
            (&[("if-unmodified-since", EXACTLY)], Ok(Serve)),
            (&[("if-unmodified-since", "yesterday")], Ok(Serve)),
            (&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Ok(Serve)),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], Err(412)),
        ] {
            assert_eq!(download(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn an_upload_overwrites_only_what_its_conditions_allow() {
        let (file, none) = (file(), None);
        for (fields, onto_file, onto_nothing) in [
            (&[][..], Ok(()), Ok(())),
            (&[("if-none-match", "*")], Err(412), Ok(())),
            (&[("if-none-match", "\"a\"")], Err(412), Ok(())),
            (&[("if-none-match", "\"b\"")], Ok(()), Ok(())),
            (&[("if-none-match", "a")], Err(400), Err(400)),
            (&[("if-none-match", "\"b\" c")], Err(400), Err(400)),
            (&[("if-match", "*")], Ok(()), Err(412)),
            (&[("if-match", "\"a\"")], Ok(()), Err(412)),
            (&[("if-match", "\"b\"")], Err(412), Err(412)),
            (&[("if-unmodified-since", BEFORE)], Err(412), Ok(())),
            (&[("if-unmodified-since", AFTER)], Ok(()), Ok(())),
            (&[("if-modified-since", AFTER)], Ok(()), Ok(())),
        ] {
            assert_eq!(upload(fields, Some(&file)), onto_file, "{fields:?}");
            assert_eq!(upload(fields, none), onto_nothing, "{fields:?}");
        }
    }

    #[test]
    fn what_an_upload_may_replace_is_kept_until_its_body_is_complete() {
        let file = file();
        for (fields, expected) in [
            (("if-none-match", "*"), Existing::Keep),
            (("if-none-match", "\"b\""), Existing::Replace),
            (("if-match", "*"), Existing::Replace),
            (("if-match", "\"a\""), Existing::Unchanged(file.version)),
            (("if-unmodified-since", AFTER), Existing::Unchanged(file.version)),
            (("if-unmodified-since", "yesterday"), Existing::Replace),
        ] {
            assert_eq!(replaceable(&headers(&[fields]), Some(&file)), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_range_applies_to_the_version_that_the_client_has() {
        let later = NOW + Duration::from_secs(2000);
        for (fields, expected) in [
            (&[][..], true),
            (&[("if-range", "\"a\"")], true),
            (&[("if-range", "W/\"a\"")], false),
            (&[("if-range", "\"b\"")], false),
            (&[("if-range", "a")], false),
            (&[("if-range", "")], false),
            (&[("if-range", EXACTLY)], true),
            (&[("if-range", BEFORE)], false),
            (&[("if-range", AFTER)], false),
            (&[("if-range", "\"a\""), ("if-range", "\"a\"")], false),
        ] {
            assert_eq!(range_applies(&headers(fields), &file(), later), expected, "{fields:?}");
        }
        let at_once = NOW + Duration::from_secs(1000);
        assert!(!range_applies(&headers(&[("if-range", EXACTLY)]), &file(), at_once));
    }
}
