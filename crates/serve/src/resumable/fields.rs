//! The fields of resumable uploads in the head of a request.

use http::{HeaderMap, HeaderName, StatusCode};
use receiver::resumable;

use super::responses::inconsistent_length;
use crate::refusal::Refusal;

pub(super) const COMPLETE: HeaderName = HeaderName::from_static(resumable::COMPLETE_FIELD);
pub(super) const OFFSET: HeaderName = HeaderName::from_static(resumable::OFFSET_FIELD);
pub(super) const LENGTH: HeaderName = HeaderName::from_static(resumable::LENGTH_FIELD);
pub(super) const LIMIT: HeaderName = HeaderName::from_static(resumable::LIMIT_FIELD);
pub(super) const VERSION: HeaderName = HeaderName::from_static(resumable::VERSION_FIELD);

/// Returns whether the request is the last one of its upload; `None` without a valid field.
pub(super) fn completes(headers: &HeaderMap) -> Option<bool> {
    resumable::boolean(values(headers, &COMPLETE))
}

/// Returns the offset at which the content of a request begins; `None` without a valid field.
pub(super) fn offset(headers: &HeaderMap) -> Option<u64> {
    resumable::integer(values(headers, &OFFSET))
}

/// Returns the length of the whole upload, by Upload-Length or by the end of the content of the last request. `None` if
/// the request states none.
///
/// # Errors
/// Fails if the request states two lengths (400).
pub(super) fn length(
    headers: &HeaderMap,
    offset: u64,
    announced: Option<u64>,
) -> Result<Option<u64>, Refusal> {
    let stated = resumable::integer(values(headers, &LENGTH));
    let end =
        announced.filter(|_| completes(headers) == Some(true)).map(|length| offset.saturating_add(length));
    match (stated, end) {
        (Some(stated), Some(end)) if stated != end => Err(inconsistent_length()),
        (stated, end) => Ok(stated.or(end)),
    }
}

/// Returns whether the client states that it implements this version of the draft. Only such a client may get a 104.
pub(super) fn states_version(headers: &HeaderMap) -> bool {
    let own: Option<u64> = resumable::INTEROP_VERSION.parse().ok();
    own.is_some() && resumable::integer(values(headers, &VERSION)) == own
}

/// Refuses a client of another version of the draft. A client may state none.
///
/// # Errors
/// Fails if the client states another version (501).
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(&VERSION) && !states_version(headers) {
        let reason = format!(
            "{VERSION}: this server implements version {} of resumable uploads ({})",
            resumable::INTEROP_VERSION,
            resumable::DRAFT
        );
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason));
    }
    Ok(())
}

fn values<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = std::borrow::Cow<'h, str>> + use<'h> {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        fields.iter().copied().map(field).collect()
    }

    #[test]
    fn the_length_is_stated_or_follows_from_the_last_content_and_both_agree() {
        let of = |fields: &[_], announced| {
            length(&headers(fields), 5, announced).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(of(&[("upload-complete", "?1")], Some(7)), Ok(Some(12)));
        assert_eq!(of(&[("upload-complete", "?1")], None), Ok(None));
        assert_eq!(of(&[("upload-complete", "?0")], Some(7)), Ok(None));
        assert_eq!(of(&[("upload-complete", "?0"), ("upload-length", "9")], Some(1)), Ok(Some(9)));
        assert_eq!(of(&[("upload-complete", "?1"), ("upload-length", "12")], Some(7)), Ok(Some(12)));
        assert_eq!(of(&[("upload-complete", "?1"), ("upload-length", "11")], Some(7)), Err(400));
    }

    #[test]
    fn a_client_of_another_version_is_refused() {
        let version = |value| check_version(&headers(&[("upload-draft-interop-version", value)])).is_ok();
        assert!(version("8") && check_version(&HeaderMap::new()).is_ok());
        assert!(!version("6") && !version("x") && !version(""));
    }
}
