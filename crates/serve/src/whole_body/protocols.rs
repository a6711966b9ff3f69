//! Steps of other upload protocols: tus, IETF resumable uploads, S3, Azure, Google and the chunks of upload widgets.
//!
//! Each protocol has its own names, too many for a list. Fields and parameters are therefore recognised by words in
//! their names.

use http::{HeaderMap, StatusCode, Uri, request::Parts};

use super::is_declared_complete;
use crate::refusal::Refusal;

/// Refuses a request that is a step of another upload protocol.
///
/// # Errors
/// Fails if the protocol is not implemented (501), or a header field overrides the method (405).
pub(super) fn check(request: &Parts) -> Result<(), Refusal> {
    method_override(&request.headers)?;
    fields(&request.headers)?;
    parameters(&request.uri)
}

/// Fields that override the method of the request.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Refuses a request that overrides its method. If the client means another method, the body is not a file to save.
fn method_override(headers: &HeaderMap) -> Result<(), Refusal> {
    let uploads = |value: &[u8]| value.eq_ignore_ascii_case(b"PUT") || value.eq_ignore_ascii_case(b"POST");
    let other =
        OVERRIDES.iter().find(|name| headers.get_all(**name).iter().any(|value| !uploads(value.as_bytes())));
    match other {
        Some(name) => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{name}: no other method is offered here"),
        )),
        None => Ok(()),
    }
}

/// Words in the names of fields of partial uploads: `X-Chunk-Index`, `OC-Chunked`, `X-File-Part`, `Upload-Offset`,
/// `X-Amz-Write-Offset-Bytes`, `X-Content-Range`, `Tus-Resumable`, `X-Amz-Copy-Source`.
const FIELD_WORDS: [&str; 11] =
    ["chunk", "chunks", "chunked", "part", "parts", "offset", "range", "resumable", "tus", "copy", "append"];

/// Fields of partial uploads, or of other meanings than "save this", that contain no word of [`FIELD_WORDS`]: tus,
/// Google, Azure, AWS, and WebDAV's conditions (RFC 4918 section 10.4).
const FIELDS: [&str; 13] = [
    "upload-metadata",
    "upload-concat",
    "upload-defer-length",
    "x-upload-content-length",
    "x-upload-content-type",
    "x-goog-upload-command",
    "x-goog-upload-protocol",
    "x-amz-decoded-content-length",
    "x-ms-page-write",
    "x-ms-write",
    "x-ms-content-length",
    "x-ms-rename-source",
    "if",
];

/// Fields of HTTP itself that contain one of the words. On an upload, fields of downloads are ignored (RFC 9110 section
/// 14.2).
const HARMLESS: [&str; 3] = ["range", "if-range", "accept-ranges"];

fn fields(headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign = headers.keys().map(http::HeaderName::as_str).find(|name| {
        FIELDS.contains(name)
            || (!HARMLESS.contains(name) && name.split('-').any(|word| FIELD_WORDS.contains(&word)))
    });
    if let Some(name) = foreign {
        return Err(not_implemented(name));
    }
    let blob = headers.get("x-ms-blob-type").filter(|kind| *kind != "BlockBlob");
    let announced_only = headers.contains_key("upload-length")
        && !headers.contains_key("upload-complete")
        && !is_declared_complete(headers);
    match (blob, announced_only) {
        (Some(_), _) => Err(not_implemented("x-ms-blob-type")),
        (None, true) => Err(not_implemented("upload-length")),
        (None, false) => Ok(()),
    }
}

/// Words in the names of parameters of partial uploads: `resumableChunkNumber`, `qqpartbyteoffset`.
const PARAMETER_WORDS: [&str; 3] = ["chunk", "offset", "resumable"];

/// Parameters of partial uploads: S3, Google, Azure, OSS, plupload.
const PARAMETERS: [&str; 14] = [
    "uploads",
    "uploadid",
    "upload_id",
    "uploadtype",
    "partnumber",
    "part_number",
    "part",
    "parts",
    "qqpartindex",
    "comp",
    "blockid",
    "append",
    "position",
    "range",
];

/// Refuses parameters of partial uploads. A parameter without a value names a part of a resource in S3 (`?uploads`,
/// `?acl`, `?tagging`), never a file.
fn parameters(uri: &Uri) -> Result<(), Refusal> {
    for parameter in uri.query().unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
        let Some((name, value)) = parameter.split_once('=') else {
            return Err(not_implemented(&format!("?{parameter}")));
        };
        let lower = name.to_ascii_lowercase();
        let whole = lower == "uploadtype" && value == "media";
        let listed = PARAMETERS.contains(&lower.as_str());
        if !whole && (listed || PARAMETER_WORDS.iter().any(|word| lower.contains(word))) {
            return Err(not_implemented(&format!("?{name}")));
        }
    }
    Ok(())
}

fn not_implemented(what: &str) -> Refusal {
    let reason = format!("{what}: only uploads of whole files are offered, in one request each");
    Refusal::new(StatusCode::NOT_IMPLEMENTED, reason)
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;

    #[test]
    fn a_step_of_another_upload_protocol_is_refused_by_its_fields() {
        for (name, value) in [
            ("tus-resumable", "1.0.0"),
            ("upload-length", "5"),
            ("upload-offset", "0"),
            ("upload-concat", "partial"),
            ("x-upload-content-length", "5"),
            ("x-goog-resumable", "start"),
            ("x-amz-copy-source", "/bucket/key"),
            ("x-amz-write-offset-bytes", "5"),
            ("x-amz-decoded-content-length", "5"),
            ("x-ms-blob-type", "AppendBlob"),
            ("x-ms-range", "bytes=0-5"),
            ("x-content-range", "bytes 0-5/10"),
            ("x-chunk-index", "1"),
            ("x-file-chunk", "1/3"),
            ("oc-chunked", "1"),
            ("if", "(<opaquelocktoken:x>)"),
        ] {
            assert_eq!(refused("/a", &[(name, value)]), Some(501), "{name}: {value}");
        }
        for (name, value) in [
            ("range", "bytes=0-5"),
            ("if-range", "\"x\""),
            ("x-ms-blob-type", "BlockBlob"),
            ("x-partner", "x"),
        ] {
            assert_eq!(refused("/a", &[(name, value)]), None, "{name}: {value}");
        }
    }

    #[test]
    fn a_step_of_another_upload_protocol_is_refused_by_its_parameters() {
        for query in [
            "uploads",
            "uploads=",
            "partNumber=1&uploadId=x",
            "uploadType=resumable",
            "acl",
            "comp=block&blockid=x",
            "append&position=5",
            "resumableChunkNumber=2",
            "chunk=0&chunks=3",
            "qqpartindex=1",
            "file=a&offset=5",
        ] {
            assert_eq!(refused(&format!("/a?{query}"), &[]), Some(501), "{query}");
        }
        for query in ["file=part", "X-Amz-Signature=x", "uploadType=media", "department=1", ""] {
            assert_eq!(refused(&format!("/a?{query}"), &[]), None, "{query}");
        }
    }

    #[test]
    fn an_overridden_method_is_not_followed_and_another_one_is_refused() {
        assert_eq!(refused("/a", &[("x-http-method-override", "DELETE")]), Some(405));
        assert_eq!(refused("/a", &[("x-http-method-override", "PATCH")]), Some(405));
        assert_eq!(refused("/a", &[("x-http-method-override", "put")]), None);
    }
}
