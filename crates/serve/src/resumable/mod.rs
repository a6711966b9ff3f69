//! Resumable uploads (draft-ietf-httpbis-resumable-upload-11, interop version 8).
//!
//! A PUT or POST with `Upload-Complete` creates an upload resource under a random path. HEAD of that path states the
//! offset, PATCH appends bytes, and DELETE cancels the upload. The file gets its name with the last byte, as by an upload
//! in one request. A request ends an earlier one to the same resource that still runs, so that bytes are never mixed.

mod append;
mod creation;
mod fields;
mod handling;
mod patch;
mod resource;
mod responses;
mod table;

pub(crate) use table::Partials;
