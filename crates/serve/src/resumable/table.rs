//! The table of upload resources: their random names, their number, and their expiry.

use std::{
    collections::HashMap,
    fmt::Write as _,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use http::StatusCode;
use record::ByteSize;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::resource::{Held, Resource, Stage, State};
use crate::{Options, refusal::Refusal};

/// The random bytes in the name of a resource: enough that nobody guesses one.
const RANDOM: usize = 16;

/// The upload resources of a server.
pub(crate) struct Partials {
    resources: Mutex<HashMap<String, Arc<Resource>>>,
    added: Notify,
    most: usize,
    pub(super) ttl: Duration,
    pub(super) max_size: Option<ByteSize>,
}

impl Partials {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            resources: Mutex::default(),
            added: Notify::new(),
            most: options.max_partial.max(1) as usize,
            ttl: options.partial_ttl,
            max_size: options.max_body,
        }
    }

    fn resources(&self) -> MutexGuard<'_, HashMap<String, Arc<Resource>>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a new upload unless there is a place for it.
    ///
    /// # Errors
    /// Fails if there are too many incomplete uploads (503).
    pub(super) fn check_room(&self) -> Result<(), Refusal> {
        let incomplete =
            self.resources().values().filter(|resource| resource.stage() != Stage::Complete).count();
        if incomplete < self.most { Ok(()) } else { Err(too_many()) }
    }

    /// Adds a resource, and returns its name. If the table is full, the complete upload with the oldest receipt is
    /// removed.
    ///
    /// # Errors
    /// Fails if there are too many incomplete uploads (503), or the system has no random bytes (500).
    pub(super) fn add(&self, resource: Arc<Resource>) -> Result<String, Refusal> {
        let id = random().ok_or_else(|| {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the system gave no random bytes")
        })?;
        let mut resources = self.resources();
        if resources.len() >= self.most {
            let receipts = resources.iter().filter(|(_, resource)| resource.stage() == Stage::Complete);
            let oldest = receipts.min_by_key(|(_, resource)| resource.expires()).map(|(id, _)| id.clone());
            resources.remove(&oldest.ok_or_else(too_many)?);
        }
        resources.insert(id.clone(), resource);
        self.added.notify_one();
        Ok(id)
    }

    /// Returns the resource of a name; `None` if there is none, or if it has expired.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Resource>> {
        self.resources().get(id).filter(|resource| resource.expires() > Instant::now()).cloned()
    }

    /// Removes a resource from the table. A request that holds the resource can still complete.
    pub(super) fn remove(&self, id: &str) {
        self.resources().remove(id);
    }

    /// Removes all resources and their files, at the end of the server.
    pub(crate) async fn close(&self) {
        let resources = mem::take(&mut *self.resources());
        for resource in resources.into_values() {
            let mut held = Held::of(&resource).await;
            if let State::Open(open) = held.replace(State::Gone) {
                // If this fails, the next server that opens the folder removes the file.
                let _ = open.partial.discard().await;
            }
        }
    }

    /// Removes resources as they expire, without end.
    pub(crate) async fn expire(&self) {
        loop {
            match self.remove_expired() {
                // No resource expires before this time: requests only postpone the expiry of their resources.
                Some(next) => sleep_until(next).await,
                None => self.added.notified().await,
            }
        }
    }

    /// Removes the resources that have expired. Returns the time at which the next one expires; `None` without one.
    fn remove_expired(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut resources = self.resources();
        resources.retain(|_, resource| {
            let is_alive = resource.expires() > now;
            if !is_alive {
                // A request that still appends is ended.
                drop(resource.begin_turn());
            }
            is_alive
        });
        resources.values().map(|resource| resource.expires()).min()
    }
}

fn too_many() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many uploads are incomplete")
}

/// Returns a random name; `None` if the system has no random bytes.
fn random() -> Option<String> {
    let mut bytes = [0_u8; RANDOM];
    rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    }))
}

#[cfg(test)]
mod tests {
    use receiver::{
        Receipt,
        save::{Existing, Folder, Partial, SafeName},
    };

    use super::*;
    use crate::{digest::Stated, resumable::resource::Open};

    async fn resource(folder: &Folder, ttl: Duration) -> Arc<Resource> {
        let name = SafeName::parse("a").unwrap();
        let partial = Partial::begin(folder, &name, Existing::Replace, None).await.unwrap();
        let open = Open { partial, stated: Stated::default(), spent: Duration::ZERO };
        Arc::new(Resource::new(open, None, false, ttl))
    }

    fn receipt() -> Receipt {
        let json = r#"{"bytes":0,"algorithm":"xxh3-128","digest":null,"saved":"a","elapsed_s":0.0}"#;
        serde_json::from_str(json).unwrap()
    }

    #[tokio::test]
    async fn the_number_of_uploads_is_bounded_and_receipts_make_room() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let partials = Partials::new(&Options { max_partial: 2, ..Options::default() });
        let first = resource(&folder, partials.ttl).await;
        let ids = [
            partials.add(first.clone()).unwrap(),
            partials.add(resource(&folder, partials.ttl).await).unwrap(),
        ];
        assert!(ids.iter().all(|id| id.len() == 2 * RANDOM) && ids[0] != ids[1]);
        assert_eq!(partials.check_room().unwrap_err().status(), 503);
        assert_eq!(partials.add(resource(&folder, partials.ttl).await).unwrap_err().status(), 503);
        Held::of(&first).await.set(State::Complete(receipt()));
        assert!(partials.find(&ids[0]).is_some());
        partials.check_room().unwrap();
        partials.add(resource(&folder, partials.ttl).await).unwrap();
        assert!(partials.find(&ids[0]).is_none() && partials.find(&ids[1]).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_expires_after_its_last_byte() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let ttl = Duration::from_secs(10);
        let partials = Partials::new(&Options { partial_ttl: ttl, ..Options::default() });
        let expiring = partials.expire();
        let using = async {
            let resource = resource(&folder, ttl).await;
            let id = partials.add(resource.clone()).unwrap();
            tokio::time::sleep(ttl / 2).await;
            resource.extend();
            tokio::time::sleep(ttl * 3 / 4).await;
            assert!(partials.find(&id).is_some());
            let mut held = Held::of(&resource).await;
            tokio::time::sleep(ttl / 2).await;
            assert!(partials.find(&id).is_none() && partials.resources().is_empty());
            held.turn.ended().await;
        };
        tokio::select! {
            () = expiring => {}
            () = using => {}
        }
    }
}
