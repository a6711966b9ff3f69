//! The creation of an upload resource by a PUT or POST with `Upload-Complete`.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, Version, request::Parts};
use receiver::save::{NameError, Partial, SafeName};
use transport::Body;

use super::{
    append::{Appended, Role},
    fields,
    handling::Content,
    resource::{Held, Open, Resource, Stage},
    responses::{self, inconsistent_length},
};
use crate::{
    digest::{Scope, Stated},
    framing,
    refusal::Refusal,
    reply::{ConnectionFate, Reply},
    saved_file,
    upload::Uploads,
    whole_body,
};

/// The creation of an upload resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Creation {
    role: Role,
    /// True if the client accepts a 104, which tells it the location of the resource before the request ends.
    takes_interim: bool,
}

impl Uploads {
    /// Returns how an upload creates an upload resource; `None` if it does not. `Upload-Complete: ?0` demands a
    /// resource. With `?1`, the body is the whole file, and a resource helps only a client that learns its location
    /// from a 104.
    pub(crate) fn creation(&self, request: &Parts) -> Option<Creation> {
        let headers = &request.headers;
        // hyper cannot send a 104 over HTTP/1.1.
        let takes_interim = request.version >= Version::HTTP_2 && fields::states_version(headers);
        match fields::completes(headers)? {
            false => Some(Creation { role: Role::Part, takes_interim }),
            true => {
                let is_offered =
                    takes_interim && self.folder().is_some() && self.partials.check_room().is_ok();
                is_offered.then_some(Creation { role: Role::Last, takes_interim })
            }
        }
    }

    /// Creates an upload resource with the content of the request. Answers with the location of the resource, or with the
    /// receipt if the upload is complete.
    pub(crate) async fn create(
        &self,
        creation: Creation,
        request: Parts,
        body: Body,
        name: Result<SafeName, NameError>,
        mut reply: Reply<'_>,
    ) -> ConnectionFate {
        let admitted = self.admit_creation(creation, &request, name).await;
        drop(request);
        let (resource, content) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return reply.refuse(refusal, body).await,
        };
        let id = match self.partials.add(resource.clone()) {
            Ok(id) => id,
            Err(refusal) => return reply.refuse(refusal, body).await,
        };
        // The state is taken before the 104 is sent. With the 104, the client may send another request to the resource,
        // which ends this one.
        let held = Held::of(&resource).await;
        let is_known = match self.partials.supported(&id).filter(|_| creation.takes_interim) {
            Some(interim) => reply.inform(interim).await,
            None => false,
        };
        let client = reply.client();
        let response = |appended| match appended {
            Appended::Paused(offset) => self.partials.created(&id, &resource, offset),
            Appended::Complete(receipt) => {
                self.confirm(&receipt, resource.replaces, client);
                responses::receipt(&receipt)
            }
        };
        let (fate, is_appended) = self.append(held, content, body, reply, response).await;
        if !(is_appended || is_known) || resource.stage() == Stage::Gone {
            self.partials.remove(&id);
        }
        fate
    }

    /// Decides by the head of a request whether it creates a resource, and opens the file.
    async fn admit_creation(
        &self,
        creation: Creation,
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
            return Err(self.partials.too_large(most));
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
        Ok((resource, Content { role: creation.role, announced, stated: content }))
    }
}
