//! Downloads of saved files: whole files, single ranges, and conditional requests.

use std::{
    fs::{File, Metadata},
    io::{self, Seek as _, SeekFrom},
    path::Path,
    time::SystemTime,
};

use http::{Method, Response, StatusCode, header, request::Parts};
use payload::Source;
use receiver::save::{Folder, SafeName, SaveError};
use record::ChunkSize;
use tokio::task::spawn_blocking;
use transport::{Body, body};

use crate::{
    conditions::{self, Outcome},
    digest,
    download::Download,
    range::Range,
    refusal::Refusal,
    response,
    validators::Validators,
};

/// Returns the response to a GET or HEAD of a saved file.
///
/// # Errors
/// Fails if the file does not exist or cannot be read, or if a precondition is false or the range is outside the file.
pub(crate) async fn download(
    folder: &Folder,
    name: SafeName,
    request: &Parts,
    now: SystemTime,
) -> Result<Download, Refusal> {
    let (file, metadata) = open(folder.clone(), name.clone()).await?;
    let (length, validators) = (metadata.len(), Validators::of(&metadata));
    if conditions::of_download(&request.headers, &validators)? == Outcome::NotModified {
        let mut response = response::with_status(StatusCode::NOT_MODIFIED, body::empty());
        validators.set(&mut response, now);
        return Ok(Download::complete(response));
    }
    let (status, first, size) = match range(request, length, &validators, now) {
        Range::Whole => (StatusCode::OK, 0, length),
        Range::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Range::Unsatisfiable => return Err(unsatisfiable(length)),
    };
    let mut download = if request.method == Method::HEAD || size == 0 {
        Download::complete(response::with_status(status, body::empty()))
    } else {
        let source = open_at(file, &name, first, size)?;
        Download::streamed(status, source)
    };
    let response = download.response_mut();
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + size - 1;
        response::set(response, header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
    }
    response::set(response, header::CONTENT_LENGTH, size.to_string());
    validators.set(response, now);
    describe(response, &name);
    if request.method == Method::GET {
        digest::attach(request, response);
    }
    Ok(download)
}

/// Returns the validators of the file of that name, or `None` if there is no such file.
///
/// # Errors
/// Fails if the name belongs to something other than a file, or if the folder cannot be read.
pub(crate) async fn validators(folder: &Folder, name: &SafeName) -> Result<Option<Validators>, Refusal> {
    match open(folder.clone(), name.clone()).await {
        Ok((_, metadata)) => Ok(Some(Validators::of(&metadata))),
        Err(SaveError::Missing) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether there is a file of that name.
pub(crate) async fn exists(folder: &Folder, name: &SafeName) -> bool {
    let path = folder.path().join(name.as_str());
    spawn_blocking(move || path.symlink_metadata().is_ok()).await.unwrap_or(false)
}

/// Returns the part of the file that the request selects. Only GET has ranges (RFC 9110 section 14.2).
fn range(request: &Parts, length: u64, validators: &Validators, now: SystemTime) -> Range {
    if request.method == Method::GET && conditions::range_applies(&request.headers, validators, now) {
        Range::of(&request.headers, length)
    } else {
        Range::Whole
    }
}

/// Opens a file on a separate thread, so that a folder that does not answer, for example on a network, delays no other
/// request.
async fn open(folder: Folder, name: SafeName) -> Result<(File, Metadata), SaveError> {
    let opened = spawn_blocking(move || {
        let file = folder.read(&name)?;
        let metadata = file.metadata()?;
        Ok((file, metadata))
    });
    opened.await.map_err(io::Error::other)?
}

/// Returns the bytes of a file from `first` on. Setting a position does not access the disk.
fn open_at(mut file: File, name: &SafeName, first: u64, size: u64) -> Result<Source, SaveError> {
    file.seek(SeekFrom::Start(first))?;
    Ok(Source::of_file(file, Path::new(name.as_str()), size, ChunkSize::DEFAULT))
}

/// Returns the refusal of a range outside a file, with the file's length (RFC 9110 section 15.5.17).
fn unsatisfiable(length: u64) -> Refusal {
    let reason = format!("the range is outside the file, which has {length} bytes");
    Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, reason)
        .with_text(header::CONTENT_RANGE, &format!("bytes */{length}"))
}

/// Sets the media type by the extension of the name. Further fields keep browsers from showing an upload as a page of
/// this server.
fn describe(response: &mut Response<Body>, name: &SafeName) {
    let media_type = mime_guess::from_path(name.as_str()).first_or_octet_stream();
    response::set(response, header::CONTENT_TYPE, media_type.essence_str());
    response::set(response, header::ACCEPT_RANGES, "bytes");
    response::set(response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response::set(response, header::CONTENT_DISPOSITION, "attachment");
}
