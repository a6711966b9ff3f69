//! The rules for a PATCH that appends to an upload.

use http::{StatusCode, header, request::Parts};

use super::{
    append::Role,
    fields,
    handling::Content,
    resource::Resource,
    responses::{inconsistent_length, mismatching_offset, unsupported},
};
use crate::{
    digest::{Scope, Stated},
    framing,
    refusal::Refusal,
    whole_body,
};

/// A PATCH whose head can be read.
pub(super) struct Patch {
    pub(super) offset: u64,
    pub(super) content: Content,
    /// The length of the whole upload in bytes, if the head states it.
    pub(super) length: Option<u64>,
}

impl Patch {
    /// Reads the head of a PATCH.
    ///
    /// # Errors
    /// Fails if a field is missing or malformed (400), or if the content is no part of an upload (415).
    pub(super) fn of(request: &Parts) -> Result<Self, Refusal> {
        let headers = &request.headers;
        fields::check_version(headers)?;
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(receiver::resumable::PARTIAL_UPLOAD) {
            return Err(unsupported("the media type must be application/partial-upload"));
        }
        whole_body::check_patch(request)?;
        let bad = |reason| Refusal::new(StatusCode::BAD_REQUEST, reason).with(fields::COMPLETE, "?0");
        let offset =
            fields::offset(headers).ok_or_else(|| bad("Upload-Offset: a number of bytes is missing"))?;
        let role = match fields::completes(headers) {
            Some(true) => Role::Last,
            Some(false) => Role::Part,
            None => return Err(bad("Upload-Complete: ?0 or ?1 is missing")),
        };
        let announced = framing::announced_length(headers)?;
        let length = fields::length(headers, offset, announced)?;
        let stated = Stated::of_scope(headers, Scope::Part)?;
        Ok(Self { offset, content: Content { role, announced, stated }, length })
    }

    /// Checks the request against an upload of `held` bytes.
    ///
    /// # Errors
    /// Fails if the bytes do not follow those of the upload (409), or exceed its length (400).
    pub(super) fn check(&self, resource: &Resource, held: u64) -> Result<(), Refusal> {
        if self.offset != held {
            return Err(mismatching_offset(held, self.offset));
        }
        let end = self.offset.saturating_add(self.content.announced.unwrap_or(0));
        let fits = |length: u64| length >= end && (self.content.role == Role::Part || length == end);
        let is_consistent = self.length.is_none_or(|length| length >= end && resource.set_length(length));
        let known = resource.length().filter(|_| self.content.announced.is_some());
        if is_consistent && known.is_none_or(fits) { Ok(()) } else { Err(inconsistent_length()) }
    }
}
