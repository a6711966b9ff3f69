//! The part of a representation that the content of a response carries, and the length and digests that follow from it.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::checksum::Checksums;

/// The part of a representation that the content of a response carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// No content. The fields of the response describe another response (RFC 9110 sections 9.3.2 and 15.4.5), or the
    /// target (section 15.3.5).
    Nothing,
    /// A part of the representation (RFC 9110 section 15.3.7).
    Part,
    /// The whole representation: that of the target, or one about the request, such as an error page.
    Whole,
}

impl Carried {
    /// Returns the part that a response to a request with `method` carries.
    pub(crate) fn by(method: &Method, status: StatusCode) -> Self {
        match status {
            _ if method == Method::HEAD => Self::Nothing,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Self::Nothing,
            StatusCode::PARTIAL_CONTENT => Self::Part,
            _ => Self::Whole,
        }
    }

    /// Returns the length of the content; `None` if it is unknown.
    pub(crate) fn length(self, headers: &HeaderMap) -> Option<u64> {
        if self == Self::Nothing { Some(0) } else { content_length(headers) }
    }

    /// Returns the digests that the content must have. Repr-Digest is the digest of a whole representation (RFC 9530
    /// section 3).
    pub(crate) fn checksums(self, headers: &HeaderMap) -> Checksums {
        match self {
            Self::Nothing => Checksums::default(),
            Self::Part => Checksums::of_part(headers),
            Self::Whole => Checksums::of_whole(headers),
        }
    }
}

/// Returns the value of Content-Length; `None` without a valid one.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).map(HeaderValue::to_str)?.ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_and_status_say_what_a_response_carries() {
        for (method, status, carried) in [
            (Method::GET, 200, Carried::Whole),
            (Method::POST, 201, Carried::Whole),
            (Method::GET, 404, Carried::Whole),
            (Method::GET, 206, Carried::Part),
            (Method::GET, 204, Carried::Nothing),
            (Method::GET, 304, Carried::Nothing),
            (Method::HEAD, 200, Carried::Nothing),
            (Method::HEAD, 206, Carried::Nothing),
            (Method::HEAD, 404, Carried::Nothing),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Carried::by(&method, status), carried, "{method} {status}");
        }
    }

    #[test]
    fn no_content_has_no_length_of_its_own() {
        let headers = |value: &str| HeaderMap::from_iter([(header::CONTENT_LENGTH, value.parse().unwrap())]);
        assert_eq!(Carried::Nothing.length(&headers("7")), Some(0));
        assert_eq!(Carried::Part.length(&headers(" 7 ")), Some(7));
        assert_eq!(Carried::Whole.length(&headers("7, 7")), None);
        assert_eq!(Carried::Whole.length(&HeaderMap::new()), None);
    }
}
