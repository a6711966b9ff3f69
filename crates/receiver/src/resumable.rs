//! The fields of resumable uploads, as clients and servers exchange them
//! (draft-ietf-httpbis-resumable-upload-11, interop version 8).

/// The draft that is implemented.
pub const DRAFT: &str = "draft-ietf-httpbis-resumable-upload-11";

/// The version of the draft for interoperability (its appendix "Draft Version Identification").
pub const INTEROP_VERSION: &str = "8";

/// The field with the interop version that a client implements.
pub const VERSION_FIELD: &str = "upload-draft-interop-version";

/// The field that states whether an upload is complete, or will be complete with this request.
pub const COMPLETE_FIELD: &str = "upload-complete";

/// The field with the number of bytes that an upload has.
pub const OFFSET_FIELD: &str = "upload-offset";

/// The field with the number of bytes that an upload will have.
pub const LENGTH_FIELD: &str = "upload-length";

/// The field with the limits of a server for an upload.
pub const LIMIT_FIELD: &str = "upload-limit";

/// The media type of bytes that are appended to an upload.
pub const PARTIAL_UPLOAD: &str = "application/partial-upload";

/// The most digits of an Integer (RFC 9651 section 3.3.1).
const MOST_DIGITS: usize = 15;

/// Returns the Boolean in the values of a field; `None` if they are anything but one Boolean. The draft demands that
/// such a field is ignored.
pub fn boolean(values: impl IntoIterator<Item = impl AsRef<str>>) -> Option<bool> {
    item(values, |bare| match bare {
        "?0" => Some(false),
        "?1" => Some(true),
        _ => None,
    })
}

/// Returns the Integer in the values of a field; `None` if they are anything but one Integer that is not negative.
pub fn integer(values: impl IntoIterator<Item = impl AsRef<str>>) -> Option<u64> {
    item(values, bare_integer)
}

/// Returns the member `max-size` of the values of Upload-Limit: the most bytes of an upload. `None` if they have no such
/// member, or are no Dictionary of Integers.
pub fn max_size(values: impl IntoIterator<Item = impl AsRef<str>>) -> Option<u64> {
    let mut found = None;
    for value in values {
        for member in value.as_ref().split(',') {
            let (key, value) = member.trim().split_once('=')?;
            let value = without_parameters(value).and_then(bare_integer)?;
            // The last of several members with one key counts (RFC 9651 section 4.2.2).
            found = if key == "max-size" { Some(value) } else { found };
        }
    }
    found
}

/// Returns the bare item of an Item (RFC 9651 section 3.3), which has one value.
fn item<T>(
    values: impl IntoIterator<Item = impl AsRef<str>>,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let mut values = values.into_iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    without_parameters(value.as_ref().trim_matches(' ')).and_then(parse)
}

/// Cuts the parameters off a value (RFC 9651 section 3.1.2); `None` if they are malformed. This version of the draft
/// defines no parameters, so those of other versions are ignored. A parameter in quotes is malformed.
fn without_parameters(text: &str) -> Option<&str> {
    let mut parts = text.split(';');
    let bare = parts.next()?;
    let is_key = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*')
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*'))
    };
    let is_value =
        |value: &str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    let is_parameter = |part: &str| match part.trim_start_matches(' ').split_once('=') {
        Some((key, value)) => is_key(key) && is_value(value),
        None => is_key(part.trim_start_matches(' ')),
    };
    parts.all(is_parameter).then_some(bare)
}

fn bare_integer(text: &str) -> Option<u64> {
    let is_integer =
        (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_integer { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_item_is_one_value_of_its_type() {
        for (text, expected) in [
            ("?1", Some(true)),
            ("?0", Some(false)),
            (" ?1 ", Some(true)),
            ("?1;a", Some(true)),
            ("?0; a=1;b=x", Some(false)),
            ("?2", None),
            ("1", None),
            ("", None),
            ("?1, ?0", None),
            ("?1;A", None),
            ("?1;a=\"x\"", None),
            ("?1;", None),
        ] {
            assert_eq!(boolean([text]), expected, "{text}");
        }
        assert_eq!(boolean(["?1", "?1"]), None);
        assert_eq!(boolean([""; 0]), None);
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("999999999999999", Some(999_999_999_999_999)),
            ("1;x=y", Some(1)),
            ("1000000000000000", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("", None),
            ("1 2", None),
        ] {
            assert_eq!(integer([text]), expected, "{text}");
        }
    }

    #[test]
    fn the_largest_size_is_a_member_of_the_limits() {
        for (text, expected) in [
            ("max-size=10", Some(10)),
            ("max-age=3600, max-size=10;a=b , min-size=0", Some(10)),
            ("max-size=1, max-size=2", Some(2)),
            ("max-age=3600", None),
            ("max-size=x", None),
            ("max-size", None),
            ("", None),
        ] {
            assert_eq!(max_size([text]), expected, "{text}");
        }
        assert_eq!(max_size(["max-age=1", "max-size=5"]), Some(5));
    }

    proptest! {
        #[test]
        fn no_value_makes_the_parsers_panic(text in "[?0-9a-z;=, \"*-]{0,24}") {
            let _ = (boolean([&text]), integer([&text]), max_size([&text]));
        }
    }
}
