//! The creation of an upload resource by a PUT or POST with `Upload-Complete: ?0`.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode, request::Parts};
use receiver::save::{NameError, Partial, SafeName};
use transport::Body;

use super::{
    append::{Appended, Role},
    fields,
    handling::Content,
    resource::{Held, Open, Resource},
    responses::inconsistent_length,
};
use crate::{
    digest::{Scope, Stated},
    framing,
    refusal::Refusal,
    reply::{ConnectionFate, Reply},
    saved_file,
    upload::{Uploads, too_large},
    whole_body,
};

/// Returns whether an upload asks for an upload resource. The body of a request with `?1` is the whole file, so that its
/// upload needs none.
pub(crate) fn is_creation(headers: &HeaderMap) -> bool {
    fields::completes(headers) == Some(false)
}

impl Uploads {
    /// Creates an upload resource with the content of the request, and answers with its location.
    pub(crate) async fn create(
        &self,
        request: &Parts,
        body: Body,
        name: Result<SafeName, NameError>,
        reply: Reply<'_>,
    ) -> ConnectionFate {
        let (resource, content) = match self.admit_creation(request, name).await {
            Ok(admitted) => admitted,
            Err(refusal) => return reply.refuse(refusal, body).await,
        };
        let id = match self.partials.add(resource.clone()) {
            Ok(id) => id,
            Err(refusal) => return reply.refuse(refusal, body).await,
        };
        let response = |appended| match appended {
            Appended::Paused(offset) => self.partials.created(&id, &resource, offset),
            // A creation is never the last request.
            Appended::Complete(receipt) => super::responses::receipt(&receipt),
        };
        let held = Held::of(&resource).await;
        let (fate, is_appended) = self.append(held, content, body, reply, response).await;
        if !is_appended {
            // The client does not know the name of the resource.
            self.partials.remove(&id);
        }
        fate
    }

    /// Decides by the head of a request whether it creates a resource, and opens the file.
    async fn admit_creation(
        &self,
        request: &Parts,
        name: Result<SafeName, NameError>,
    ) -> Result<(Arc<Resource>, Content), Refusal> {
        let headers = &request.headers;
        fields::check_version(headers)?;
        let Some(folder) = self.folder() else {
            let reason =
                "upload-complete: uploads are resumable only where files are saved (--sink save:DIR)";
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason));
        };
        whole_body::check_creation(request)?;
        let name = name.map_err(receiver::save::SaveError::from)?;
        let announced = framing::announced_length(headers)?;
        let length = fields::length(headers, 0, announced)?;
        if let (Some(length), Some(announced)) = (length, announced)
            && announced > length
        {
            return Err(inconsistent_length());
        }
        if let (Some(most), Some(known)) = (self.max_body, length.or(announced))
            && known > most.0
        {
            return Err(too_large(most));
        }
        let (stated, content) =
            (Stated::of_scope(headers, Scope::Whole)?, Stated::of_scope(headers, Scope::Part)?);
        self.partials.check_room()?;
        let named = Ok(name.clone());
        let existing = self.replaceable(headers, &named).await?;
        let replaces = saved_file::exists(folder, &name).await;
        let partial = Partial::begin(folder, &name, existing, length).await?;
        let open = Open { partial, stated, spent: Duration::ZERO };
        let resource = Arc::new(Resource::new(open, length, replaces, self.partials.ttl));
        Ok((resource, Content { role: Role::Part, announced, stated: content }))
    }
}
