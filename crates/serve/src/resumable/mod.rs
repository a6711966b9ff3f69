//! Resumable uploads (draft-ietf-httpbis-resumable-upload-11, interop version 8).
//!
//! A PUT or POST with `Upload-Complete` creates an upload resource under a random path. HEAD of that path states the
//! offset, PATCH appends bytes, and DELETE cancels the upload. The file gets its name with the last byte, as after an
//! upload in one request. A new request to a resource ends an earlier one that still runs, so that their bytes are
//! never mixed.

mod append;
mod creation;
mod fields;
mod handling;
mod patch;
mod resource;
mod responses;
mod table;

pub(crate) use table::Partials;
