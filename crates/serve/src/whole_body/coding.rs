//! Bodies that are encoded, framed or wrapped, so that their bytes are not those of the file.

use http::{HeaderMap, StatusCode, header};

use crate::refusal::Refusal;

/// Refuses a body whose bytes are not those of the file.
///
/// # Errors
/// Fails if the body is encoded or wrapped in an envelope (415).
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    check_coding(headers)?;
    media_type(headers)
}

/// Refuses a body that is encoded or signed in pieces, whatever its media type.
///
/// # Errors
/// Fails if the body is encoded (415).
pub(super) fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    content_coding(headers)?;
    signed_chunks(headers)
}

/// Codings that do not change the bytes: those of HTTP, and those of MIME's Content-Transfer-Encoding (RFC 2045 section
/// 6), which is not a field of HTTP but is sent by some clients.
const PLAIN: [&str; 5] = ["", "identity", "binary", "8bit", "7bit"];

fn content_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    for name in ["content-encoding", "content-transfer-encoding"] {
        for value in headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            if let Some(coding) =
                value.split(',').map(str::trim).find(|one| !PLAIN.iter().any(|p| p.eq_ignore_ascii_case(one)))
            {
                let reason = format!("{name}: '{coding}' is not decoded here; send the file as it is");
                // RFC 9110 section 15.5.16 recommends this field.
                return Err(unsupported(reason).with(header::ACCEPT_ENCODING, "identity"));
            }
        }
    }
    Ok(())
}

/// Refuses the bodies of S3 clients that carry signatures between the pieces of the file.
fn signed_chunks(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
    match value.filter(|value| value.starts_with("STREAMING-")) {
        Some(value) => {
            Err(unsupported(format!("x-amz-content-sha256: the framing of {value} is not decoded")))
        }
        None => Ok(()),
    }
}

/// The media types of envelopes around a file, or around a part of one.
const ENVELOPES: [&str; 8] = [
    "multipart/",
    "message/byterange",
    "message/partial",
    "message/external-body",
    "application/offset+octet-stream",
    "application/partial-upload",
    "application/grpc",
    "application/x-www-form-urlencoded",
];

/// Refuses the media types of envelopes and web forms. `curl --data-binary @FILE` labels any file
/// `application/x-www-form-urlencoded`. A web form is recognised by Sec-Fetch-Mode (Fetch Metadata), in any of the
/// three encodings of forms.
fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let from_form = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    for value in headers.get_all(header::CONTENT_TYPE) {
        let value = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
        let envelope = ENVELOPES.iter().find(|prefix| value.starts_with(**prefix));
        if envelope.is_some_and(|envelope| from_form || !envelope.ends_with("urlencoded")) {
            return Err(enveloped(&value));
        }
    }
    if from_form { Err(enveloped("a form")) } else { Ok(()) }
}

fn enveloped(what: &str) -> Refusal {
    let what = what.split(';').next().unwrap_or_default();
    let reason = format!("{what}: the body must be the file itself, as `curl -T FILE URL` sends it");
    unsupported(reason).with(header::ACCEPT, "application/octet-stream")
}

fn unsupported(reason: String) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;

    #[test]
    fn a_coded_body_is_refused_and_identity_is_none() {
        for (name, value) in [
            ("content-encoding", "gzip"),
            ("content-encoding", "GZIP"),
            ("content-encoding", "aws-chunked"),
            ("content-encoding", "identity, br"),
            ("content-transfer-encoding", "base64"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ] {
            assert_eq!(refused("/a", &[(name, value)]), Some(415), "{name}: {value}");
        }
        for (name, value) in [
            ("content-encoding", "identity"),
            ("content-encoding", ""),
            ("content-transfer-encoding", "binary"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ] {
            assert_eq!(refused("/a", &[(name, value)]), None, "{name}: {value}");
        }
        let two = [("content-encoding", "identity"), ("content-encoding", "zstd")];
        assert_eq!(refused("/a", &two), Some(415));
    }

    #[test]
    fn an_envelope_is_refused_and_a_file_of_any_type_is_not() {
        for media_type in [
            "multipart/form-data; boundary=x",
            "Multipart/Related; boundary=x",
            "multipart/byteranges",
            "message/byterange",
            "application/offset+octet-stream",
            "application/partial-upload",
            "application/grpc+proto",
        ] {
            assert_eq!(refused("/a", &[("content-type", media_type)]), Some(415), "{media_type}");
        }
        for media_type in ["text/plain", "message/rfc822", "application/x-www-form-urlencoded", "nonsense"] {
            assert_eq!(refused("/a", &[("content-type", media_type)]), None, "{media_type}");
        }
    }

    #[test]
    fn a_form_of_a_web_page_is_refused_in_any_encoding() {
        for media_type in ["application/x-www-form-urlencoded", "text/plain"] {
            let form = [("sec-fetch-mode", "navigate"), ("content-type", media_type)];
            assert_eq!(refused("/a", &form), Some(415), "{media_type}");
        }
        assert_eq!(refused("/a", &[("sec-fetch-mode", "cors"), ("content-type", "text/plain")]), None);
    }
}
