//! The validators of a representation, which determine whether a later request can complete a part of it.

use std::time::Duration;

use http::{HeaderMap, header};

/// The least age of a modification whose date is a strong validator. A file may change twice within one second (RFC
/// 9110 section 8.8.2.2).
const LEAST_AGE: Duration = Duration::from_secs(1);

/// Returns the strong validator of a response, as If-Range takes it: an entity tag, or a date (RFC 9110 section
/// 13.1.5). `None` without one, because a weak validator cannot join two parts.
pub(crate) fn strong_validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    match text(header::ETAG) {
        Some(tag) if is_strong_tag(tag) => return Some(tag.to_owned()),
        // A weak tag means that the server cannot distinguish versions, and the date is no better.
        Some(_) => return None,
        None => {}
    }
    let modified = text(header::LAST_MODIFIED)?;
    let date = |text| httpdate::parse_http_date(text).ok();
    let age = date(text(header::DATE)?)?.duration_since(date(modified)?).ok()?;
    (age >= LEAST_AGE).then(|| modified.to_owned())
}

/// Returns whether a text is a strong entity tag: quoted, and without the prefix `W/` of a weak tag.
fn is_strong_tag(tag: &str) -> bool {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(fields: &[(&str, &str)]) -> Option<String> {
        let field = |(name, value): &(&str, &str)| {
            (header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap())
        };
        strong_validator(&fields.iter().map(field).collect())
    }

    #[test]
    fn a_strong_tag_or_an_old_date_is_a_validator() {
        let (date, modified) = ("Thu, 26 Nov 2026 17:00:01 GMT", "Thu, 26 Nov 2026 17:00:00 GMT");
        let found = |tag: &str| validator(&[("etag", tag), ("date", date), ("last-modified", modified)]);
        assert_eq!(found("\"1\"").as_deref(), Some("\"1\""));
        for tag in ["W/\"1\"", "1", "\"", "\"a\"b\""] {
            assert_eq!(found(tag), None, "{tag}");
        }
        assert_eq!(validator(&[("date", date), ("last-modified", modified)]).as_deref(), Some(modified));
        assert_eq!(validator(&[("date", modified), ("last-modified", modified)]), None);
        assert_eq!(validator(&[("date", modified), ("last-modified", date)]), None);
        assert_eq!(validator(&[("last-modified", modified)]), None);
        assert_eq!(validator(&[]), None);
    }
}
