//! Downloads of saved files, whole or one range.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom},
    path::Path,
};

use http::{HeaderMap, Response, StatusCode, header};
use payload::Source;
use receiver::save::{Folder, SafeName, SaveError};
use record::ChunkSize;
use transport::{Body, body};

use crate::{download::Download, range::Range, refusal::Refusal, response};

/// The response to a request for a saved file.
///
/// # Errors
/// The file does not exist or cannot be read.
pub(crate) fn download(
    folder: &Folder,
    name: &SafeName,
    headers: &HeaderMap,
    head_only: bool,
) -> Result<Download, Refusal> {
    let file = folder.read(name)?;
    let length = file.metadata().map_err(SaveError::from)?.len();
    let range = match headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) => Range::parse(range, length),
        None => Range::Whole,
    };
    let (status, first, size) = match range {
        Range::Whole => (StatusCode::OK, 0, length),
        Range::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Range::Unsatisfiable => return Ok(Download::complete(unsatisfiable(length))),
    };
    let mut download = if head_only || size == 0 {
        Download::complete(response::with_status(status, body::empty()))
    } else {
        let source = open_at(file, name, first, size)?;
        Download::streamed(status, source, ChunkSize::DEFAULT)
    };
    let response = download.response_mut();
    if status == StatusCode::PARTIAL_CONTENT {
        response::set(
            response,
            header::CONTENT_RANGE,
            format!("bytes {first}-{}/{length}", first + size - 1),
        );
    }
    response::set(response, header::CONTENT_LENGTH, size.to_string());
    describe(response, name);
    Ok(download)
}

/// The bytes of a file from `first` on.
fn open_at(mut file: File, name: &SafeName, first: u64, size: u64) -> Result<Source, SaveError> {
    file.seek(SeekFrom::Start(first))?;
    Ok(Source::of_file(file, Path::new(name.as_str()), size, ChunkSize::DEFAULT))
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let mut response = response::with_status(StatusCode::RANGE_NOT_SATISFIABLE, body::empty());
    response::set(&mut response, header::CONTENT_RANGE, format!("bytes */{length}"));
    response
}

/// Sets the media type by the extension of the name, and keeps browsers from showing an upload as a page of this
/// server.
fn describe(response: &mut Response<Body>, name: &SafeName) {
    let media_type = mime_guess::from_path(name.as_str()).first_or_octet_stream();
    response::set(response, header::CONTENT_TYPE, media_type.essence_str());
    response::set(response, header::ACCEPT_RANGES, "bytes");
    response::set(response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response::set(response, header::CONTENT_DISPOSITION, "attachment");
}
