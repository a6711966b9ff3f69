//! The connections of one listener: accepted while there are places, drained at the end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};
use transport::Listener;

use crate::{connection::ConnectionHandler, occasional::Occasional};

/// The pause after a failure to accept. Without file descriptors, accepting fails again at once.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// Accepts connections until the handler is stopping, and waits up to `grace` for the accepted ones to end. The
/// remaining ones are cut off.
pub(crate) async fn serve(
    listener: Box<dyn Listener>,
    handler: ConnectionHandler,
    places: Arc<Semaphore>,
    grace: Duration,
) {
    let mut connections = JoinSet::new();
    let mut stopping = handler.stopping.clone();
    tokio::select! {
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = accept_all(listener.as_ref(), &handler, &places, &mut connections) => {}
    }
    let drained = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        debug!("{} connections are cut off after {} s", connections.len(), grace.as_secs_f64());
    }
    connections.shutdown().await;
    // The UDP socket of QUIC carries its connections, so it is closed after them.
    drop(listener);
}

/// Accepts connections for ever. Each connection takes a place and is a task of its own.
async fn accept_all(
    listener: &dyn Listener,
    handler: &ConnectionHandler,
    places: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
) {
    let mut failures = Occasional::default();
    let mut next = listener.accept();
    loop {
        let accepted = tokio::select! {
            accepted = &mut next => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(accepted) => {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let handler = handler.clone();
                connections.spawn(async move {
                    handler.handle(accepted.peer, accepted.handshake).await;
                    drop(place);
                });
            }
            Err(error) => {
                if let Some(left_out) = failures.due() {
                    warn!("cannot accept a connection ({left_out} like this left out): {error}");
                }
                sleep(RETRY_DELAY).await;
            }
        }
        next = listener.accept();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        io,
        net::SocketAddr,
        sync::atomic::{AtomicU32, Ordering},
    };

    use async_trait::async_trait;
    use tokio::sync::watch;
    use transport::{Accepted, Error};

    use super::*;
    use crate::{
        Options, connection::Timeouts, content::Content, patience::Patience, requests::RequestPlaces,
    };

    /// Fails to accept twice, then accepts one connection whose handshake never ends.
    struct Flaky(Arc<AtomicU32>);

    #[async_trait]
    impl Listener for Flaky {
        fn local_addr(&self) -> SocketAddr {
            ([127, 0, 0, 1], 1).into()
        }

        async fn accept(&self) -> Result<Accepted, Error> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => {
                    Err(Error::Listen { addr: self.local_addr(), source: io::Error::other("too many files") })
                }
                2 => Ok(Accepted::new(self.local_addr(), Box::pin(pending()))),
                _ => pending().await,
            }
        }
    }

    #[tokio::test]
    async fn a_failure_to_accept_is_not_the_end_and_a_stop_is() {
        let options = Options::default();
        let (stopping, stops) = watch::channel(false);
        let handler = ConnectionHandler {
            content: Arc::new(Content::new(&options).unwrap()),
            timeouts: Timeouts {
                handshake: options.handshake_timeout,
                patience: Patience { idle: options.idle_timeout, min_rate: options.min_rate },
            },
            requests: RequestPlaces::new(1),
            alt_svc: None,
            stopping: stops,
        };
        let accepts = Arc::new(AtomicU32::new(0));
        let places = Arc::new(Semaphore::new(1));
        let listener = Box::new(Flaky(accepts.clone()));
        let serving = tokio::spawn(serve(listener, handler, places.clone(), Duration::from_millis(10)));
        timeout(Duration::from_secs(10), async {
            while places.available_permits() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        assert!(accepts.load(Ordering::Relaxed) >= 3);
        stopping.send_replace(true);
        timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
        assert_eq!(places.available_permits(), 1);
    }
}
