//! The limit on concurrent requests over all connections. Each request takes a place.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most refusals for lack of a place that are sent at once. Beyond this number, requests are reset without a
/// response. Otherwise, refusals to clients that do not read could take the memory that the limit on requests protects.
const REFUSALS: usize = 64;

/// The places of a server's requests. Clones share the places.
#[derive(Clone, Debug)]
pub(crate) struct RequestPlaces {
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

/// The result of asking for a place.
#[derive(Debug)]
pub(crate) enum Admission {
    /// A place, which becomes free when the permit is dropped.
    Granted(OwnedSemaphorePermit),
    /// No place is free. A response may say so while the permit is held.
    Refused(OwnedSemaphorePermit),
    /// No place is free, and too many refusals are being sent.
    Dropped,
}

impl RequestPlaces {
    /// Returns `most` places, but at least one.
    pub(crate) fn new(most: u32) -> Self {
        let places = (most.max(1) as usize).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), refusals: Arc::new(Semaphore::new(REFUSALS)) }
    }

    /// Takes a place for a request, if one is free.
    pub(crate) fn admit(&self) -> Admission {
        let take = |from: &Arc<Semaphore>| from.clone().try_acquire_owned().ok();
        take(&self.places)
            .map(Admission::Granted)
            .or_else(|| take(&self.refusals).map(Admission::Refused))
            .unwrap_or(Admission::Dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_places_requests_are_refused_and_beyond_the_refusals_dropped() {
        let requests = RequestPlaces::new(1);
        let granted = requests.admit();
        assert!(matches!(granted, Admission::Granted(_)));
        let refused: Vec<_> = (0..REFUSALS).map(|_| requests.admit()).collect();
        assert!(refused.iter().all(|refused| matches!(refused, Admission::Refused(_))));
        assert!(matches!(requests.admit(), Admission::Dropped));
        drop((granted, refused));
        assert!(matches!(requests.admit(), Admission::Granted(_)));
    }
}
