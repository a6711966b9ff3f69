//! A reader that stops in the middle of a body, until it is told to go on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// A stop of a reader after a number of body bytes. Clones share the stop.
#[derive(Clone, Debug)]
pub struct Halt {
    after: u64,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_reached: AtomicBool,
    is_released: AtomicBool,
    released: Notify,
}

impl Halt {
    /// Makes a stop after `bytes` of a body. The piece of the body that contains this byte is still read.
    pub fn after(bytes: u64) -> Self {
        Self { after: bytes, state: Arc::default() }
    }

    /// Returns whether a reader has come to the stop.
    pub fn is_reached(&self) -> bool {
        self.state.is_reached.load(SeqCst)
    }

    /// Lets all readers go on, also those that have not come to the stop.
    pub fn release(&self) {
        self.state.is_released.store(true, SeqCst);
        self.state.released.notify_waiters();
    }

    /// Waits for the release if `received` bytes of the body reach the stop.
    pub(crate) async fn pass(&self, received: u64) {
        if received < self.after {
            return;
        }
        self.state.is_reached.store(true, SeqCst);
        let released = self.state.released.notified();
        if !self.state.is_released.load(SeqCst) {
            released.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_reader_waits_at_the_stop_until_it_is_released() {
        let halt = Halt::after(3);
        halt.pass(2).await;
        assert!(!halt.is_reached());
        let (reader, short) = (halt.clone(), Duration::from_millis(10));
        let waiting = tokio::spawn(async move { reader.pass(3).await });
        while !halt.is_reached() {
            tokio::task::yield_now().await;
        }
        assert!(timeout(short, halt.pass(9)).await.is_err(), "not released");
        halt.release();
        timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
        halt.pass(9).await;
    }
}
