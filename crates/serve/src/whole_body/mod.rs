//! The rule for uploads: the body of a request is the whole file, byte for byte.
//!
//! By RFC 9110 section 9.3.4, PUT has no other meaning. A request that announces a part of a file, a step of another
//! upload protocol or a transformed body is refused: saving such a body would replace a file by something else.

mod coding;
mod protocols;

use http::{HeaderMap, StatusCode, header, request::Parts};

use crate::refusal::Refusal;

/// Refuses an upload unless its body is the whole file.
///
/// # Errors
/// Fails if the body is a part (400), a step of another upload protocol (501), or encoded (415).
pub(crate) fn check(request: &Parts) -> Result<(), Refusal> {
    content_range(&request.headers)?;
    completeness(&request.headers)?;
    protocols::check(request)?;
    coding::check(&request.headers)
}

/// Refuses a request that creates a resumable upload, unless the content is the first part of the file.
///
/// # Errors
/// Fails as [`check`] does.
pub(crate) fn check_creation(request: &Parts) -> Result<(), Refusal> {
    content_range(&request.headers)?;
    protocols::check(request)?;
    coding::check(&request.headers)
}

/// Refuses a request that appends to an upload, unless the content is the next part of the file.
///
/// # Errors
/// Fails as [`check`] does.
pub(crate) fn check_patch(request: &Parts) -> Result<(), Refusal> {
    content_range(&request.headers)?;
    coding::check_coding(&request.headers)
}

/// Refuses a Content-Range (400): RFC 9110 section 14.5 demands this of a server that does not support partial PUT.
fn content_range(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.contains_key(header::CONTENT_RANGE) {
        true => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "Content-Range: a part of a file is not accepted; send the whole file without it",
        )),
        false => Ok(()),
    }
}

/// The fields of resumable uploads (draft-ietf-httpbis-resumable-upload) that declare the body to be the whole file.
/// The older field has the opposite sense.
const COMPLETE: [(&str, &str); 2] = [("upload-complete", "?1"), ("upload-incomplete", "?0")];

/// Returns whether a request declares its body to be the whole upload, which is served as any other upload.
pub(crate) fn is_declared_complete(headers: &HeaderMap) -> bool {
    COMPLETE.iter().any(|(name, complete)| headers.get(*name).is_some_and(|value| value == complete))
}

fn completeness(headers: &HeaderMap) -> Result<(), Refusal> {
    for (name, complete) in COMPLETE {
        if headers.get_all(name).iter().any(|value| value != complete) {
            let reason = format!(
                "{name}: a part of an upload is not accepted; only {complete} is, with the whole file"
            );
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use http::Request;

    use super::*;

    /// Returns the status with which an upload to `target` with these headers is refused.
    pub(crate) fn refused(target: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::put(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts).err().map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn an_ordinary_upload_passes() {
        for headers in [
            &[][..],
            &[("content-type", "application/octet-stream"), ("content-length", "5")],
            &[("upload-complete", "?1"), ("upload-draft-interop-version", "6"), ("upload-length", "5")],
            &[("upload-incomplete", "?0")],
        ] {
            assert_eq!(refused("/a?file=b", headers), None, "{headers:?}");
        }
    }

    #[test]
    fn a_part_of_a_file_is_refused() {
        for (name, value, status) in [
            ("content-range", "bytes 5-9/10", 400),
            ("content-range", "bytes */*", 400),
            ("content-range", "", 400),
            ("upload-complete", "?0", 501),
            ("upload-complete", "1", 501),
            ("upload-incomplete", "?1", 501),
        ] {
            assert_eq!(refused("/a", &[(name, value)]), Some(status), "{name}: {value}");
        }
        assert_eq!(refused("/a", &[("upload-complete", "?1"), ("upload-complete", "?0")]), Some(501));
    }
}
