//! A body that is on the disk but has no name until its content is verified.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use super::{SaveError, saver::Complete};

/// A handle to a body that a [`Sink::hold`](crate::Sink::hold) saves. Dropping the handle removes the body.
#[derive(Debug)]
pub struct HeldFile(pub(crate) Slot);

/// The shared place of a body, which is empty until the body is complete.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Complete>>>);

impl Slot {
    pub(crate) fn fill(&self, complete: Complete) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(complete);
    }
}

impl HeldFile {
    /// Gives the body its name.
    ///
    /// # Errors
    /// Fails if the body is not complete, or cannot get its name.
    pub async fn keep(self) -> Result<(), SaveError> {
        let complete = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let incomplete = || io::Error::other("the body is not complete");
        complete.ok_or_else(incomplete)?.name().await.map(drop)
    }
}
