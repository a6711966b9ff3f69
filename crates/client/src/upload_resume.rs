//! Uploads that continue after a lost connection, in this run of the program or a later one.

use std::{io, path::PathBuf};

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use metrics::Pace;
use payload::{Hasher, Payload};
use record::{Fault, FaultKind, PayloadKind, redacted_url};
use sender::MeteredBody;
use tokio::task::spawn_blocking;
use transport::BodyLength;

use crate::{
    Target, Upload, UploadError,
    activity::Outgoing,
    answer::Failure,
    transfer::{ContentReport, Exchange},
    upload_resource,
    upload_state::{UploadFacts, UploadState, identity},
};

/// The resumption of an upload.
#[derive(Clone, Debug)]
pub(crate) struct Resumption {
    /// The folder that holds the states of uploads between runs.
    folder: PathBuf,
    /// True once the server has an upload resource. Bytes that the server has received then survive a lost connection.
    has_begun: bool,
    /// The offset at which the last try continued; 0 if it began at the start.
    pub(crate) offset: u64,
}

impl Upload {
    /// Makes the upload resumable (draft-ietf-httpbis-resumable-upload-11), if the server offers it. The URL of the upload
    /// resource is kept in `folder` until the upload is complete, for a later run with the same content and target.
    ///
    /// # Errors
    /// Fails if the content cannot be read again, or is a form.
    pub fn resuming(mut self, folder: PathBuf) -> Result<Self, UploadError> {
        if !self.is_repeatable() || self.payload == PayloadKind::Form {
            return Err(UploadError::NotRepeatable { payload: self.payload });
        }
        self.resumption = Some(Resumption { folder, has_begun: false, offset: 0 });
        Ok(self)
    }

    /// Returns whether another try would continue after the bytes that the server has.
    pub(crate) fn goes_on(&self) -> bool {
        self.resumption.as_ref().is_some_and(|resumption| resumption.has_begun)
    }

    /// Creates an upload resource, or finds the one of an earlier try, and sends the bytes that the server does not have.
    pub(crate) async fn resume(
        &mut self,
        mut resumption: Resumption,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let (payload, seed, size) = (self.payload.clone(), self.seed, self.size());
        let (folder, url) = (resumption.folder.clone(), by.target.url());
        let (content, mut state) = blocking(move || {
            let (name, content) = identity(&payload, seed, size)?;
            Ok((content, UploadState::open(&folder, &url, &name)?))
        })
        .await?;
        let found = self.find(&mut state, &content, by).await.map_err(unredirected)?;
        let (resource, offset) = match found {
            Some(found) => found,
            None => (self.create(&mut state, content, by).await?, 0),
        };
        (resumption.has_begun, resumption.offset) = (true, offset);
        self.resumption = Some(resumption);
        let report = self.append(&resource, offset, by).await.map_err(unredirected)?;
        state.forget();
        Ok(report)
    }

    /// Returns the resource of an earlier try, and its offset. `None` if there is none, or if the server has dropped it.
    async fn find(
        &self,
        state: &mut UploadState,
        content: &str,
        by: &Exchange<'_>,
    ) -> Result<Option<(Target, u64)>, Failure> {
        let known = state.resource(content).and_then(|url| upload_resource::resource(by.target, url).ok());
        let Some(resource) = known else { return Ok(None) };
        let Some(offset) = upload_resource::offset(by, &resource).await? else {
            state.forget();
            return Ok(None);
        };
        if self.size().is_some_and(|size| offset > size.0) {
            state.forget();
            let message = format!("the server has {offset} bytes of the upload, which has fewer");
            return Err(Fault::new(FaultKind::Http, message).into());
        }
        Ok(Some((resource, offset)))
    }

    async fn create(
        &self,
        state: &mut UploadState,
        content: String,
        by: &Exchange<'_>,
    ) -> Result<Target, Failure> {
        let size = self.size().map(|size| size.0);
        upload_resource::check_offer(by, size).await?;
        let resource = upload_resource::create(by, size, self.content_type()).await?;
        let facts = UploadFacts { url: redacted_url(&by.target.url()), resource: resource.url(), content };
        // A write of a few hundred bytes to an open file does not need a blocking thread.
        state.store(facts).map_err(unsaved)?;
        Ok(resource)
    }

    /// Sends the bytes from `offset` on, and reads the server's confirmation of the whole content.
    async fn append(
        &self,
        resource: &Target,
        offset: u64,
        by: &Exchange<'_>,
    ) -> Result<ContentReport, Failure> {
        let payload = self.prepared(by.payload);
        let size = self.size().map(|size| size.0);
        let source = payload.open_at(offset, size).map_err(Fault::from)?;
        let mut body = MeteredBody::new(source, by.meter.clone()).paced(self.limit_rate.map(Pace::new));
        if !self.payload.is_generated() {
            body = body.digesting_after(digested(payload, offset).await?);
        }
        let progress = body.progress();
        let rest = size.map(|size| size - offset);
        let announced = rest.filter(|_| self.announces_length());
        let body = Outgoing::new(body, by.activity.clone(), announced).boxed_unsync();
        let mut request = upload_resource::appending(by, resource, offset, announced, body)?;
        request.extensions_mut().insert(BodyLength(rest.unwrap_or_default()));
        let report = self.confirmed(request, progress, payload, offset, by).await?;
        // The bytes of earlier tries are not part of the figures.
        let bytes = report.bytes.saturating_sub(offset);
        Ok(ContentReport { bytes, is_partial: report.is_partial || offset > 0, ..report })
    }
}

/// Removes the redirect from the failure of a request to an upload resource. If the upload followed it, it would begin
/// anew at the redirect's target.
fn unredirected(mut failure: Failure) -> Failure {
    if let Some(refusal) = &mut failure.refusal {
        refusal.location = None;
    }
    failure
}

/// Returns the hasher of the first `bytes` bytes of a payload.
async fn digested(payload: &Payload, bytes: u64) -> Result<Hasher, Fault> {
    let mut hasher = Hasher::new();
    if bytes > 0 {
        let mut source = payload.open(bytes).map_err(Fault::from)?;
        while let Some(chunk) = source.next().await {
            hasher.update(&chunk.map_err(Fault::from)?);
        }
    }
    Ok(hasher)
}

/// Runs work on the disk on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    spawn_blocking(work).await.map_err(io::Error::other).flatten().map_err(unsaved)
}

fn unsaved(error: io::Error) -> Fault {
    Fault::new(FaultKind::Save, format!("the state of the upload, which -C - keeps: {error}"))
}
