//! The activity of a sink, for code that watches the progress of a body.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A handle that tells whether a body waits for its sink. While it does, the peer must not count as idle, since a slow
/// disk holds up the body.
#[derive(Clone, Debug, Default)]
pub struct SinkActivity(Arc<AtomicBool>);

impl SinkActivity {
    /// Returns whether the sink is at work, so that the body waits for it.
    pub fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Marks the sink as busy while `work` runs.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.store(true, Ordering::Relaxed);
        let done = work.await;
        self.0.store(false, Ordering::Relaxed);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_sink_is_busy_while_it_works() {
        let activity = SinkActivity::default();
        let working = activity.clone();
        assert!(!activity.is_busy());
        let mut work = pin!(working.during(pending::<()>()));
        assert!((&mut work).now_or_never().is_none() && activity.is_busy());
        working.during(async { assert!(activity.is_busy()) }).await;
        assert!(!activity.is_busy());
    }
}
