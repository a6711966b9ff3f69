//! The acceptance of connections on one port, within the limits of a server, and the end of these connections.

use std::{
    fs::File,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::errno::Errno;
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, error, warn};
use transport::{Accepted, Error, Listener, Spread};

use crate::{
    connection::ConnectionHandler,
    content::Content,
    listeners::{Port, Sockets},
    occasional::Occasional,
    places::{Places, Refused},
};

/// The pause after a failure to accept, because another attempt would fail at once.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The time limit for accepting a connection with the spare descriptor, in order to close it.
const SHED_TIMEOUT: Duration = Duration::from_millis(50);

/// Accepts connections until the handler is stopping, and then waits up to `grace` for the accepted connections to end.
/// The remaining connections are cut off.
pub(crate) async fn serve(
    port: Port,
    handler: ConnectionHandler,
    places: Places,
    spread: Option<Spread>,
    grace: Duration,
) {
    let mut connections = JoinSet::new();
    let mut stopping = handler.stopping.clone();
    let accepting = Accepting {
        listener: port.listener.as_ref(),
        handler: &handler,
        places: &places,
        refusals: Refusals { content: handler.content.clone(), lines: Arc::default() },
        runtimes: spread.as_ref().map(Spread::runtimes).unwrap_or_default(),
    };
    tokio::select! {
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = accepting.accept_all(&mut connections) => {}
    }
    tokio::select! {
        () = refuse_all(port) => {}
        () = drain(&mut connections, grace) => {}
    }
}

/// Releases a port of TCP at once, so that another server can bind it. The socket of QUIC carries its connections, so
/// it stays open and new clients are refused.
async fn refuse_all(port: Port) {
    if port.sockets == Sockets::Shared {
        while port.listener.accept().await.is_ok() {}
    }
    drop(port);
    std::future::pending().await
}

/// Waits up to `grace` for connections to end, and cuts off the rest.
async fn drain(connections: &mut JoinSet<()>, grace: Duration) {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(grace, all).await.is_err() {
        debug!("{} connections are cut off after {} s", connections.len(), grace.as_secs_f64());
    }
    connections.shutdown().await;
}

/// Logs the panic of a connection's task. Other connections go on.
fn report(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        error!("a connection was given up after a panic");
    }
}

/// The refusals of connections on one port, which are counted and occasionally logged. Clones share both.
#[derive(Clone)]
struct Refusals {
    content: Arc<Content>,
    lines: Arc<Mutex<Occasional>>,
}

impl Refusals {
    /// Reports the refusal of a connection of `peer`.
    fn report(&self, peer: IpAddr, limit: Refused) {
        self.content.refused_connection(limit);
        let reason = match limit {
            Refused::Address => "its address has too many connections",
            Refused::Full => "there are too many connections",
        };
        let due = self.lines.lock().unwrap_or_else(PoisonError::into_inner).due();
        if let Some(left_out) = due {
            warn!("refused a connection of {peer} ({left_out} similar lines left out): {reason}");
        }
    }
}

/// The acceptance of connections on one port.
struct Accepting<'a> {
    listener: &'a dyn Listener,
    handler: &'a ConnectionHandler,
    places: &'a Places,
    refusals: Refusals,
    /// The runtimes of the threads over which the listener spreads connections; empty if all connections stay on this
    /// thread.
    runtimes: &'a [Handle],
}

impl Accepting<'_> {
    /// Accepts connections for ever. Each connection runs in a separate task.
    async fn accept_all(&self, connections: &mut JoinSet<()>) {
        let (mut failures, mut spare) = (Occasional::default(), spare());
        let mut next = self.listener.accept();
        loop {
            let accepted = tokio::select! {
                accepted = &mut next => accepted,
                Some(ended) = connections.join_next() => {
                    report(ended);
                    continue;
                }
            };
            match accepted {
                Ok(accepted) => self.admit(accepted, connections),
                Err(error) => {
                    if let Some(left_out) = failures.due() {
                        warn!("cannot accept a connection ({left_out} similar lines left out): {error}");
                    }
                    self.recover(&error, &mut spare).await;
                }
            }
            next = self.listener.accept();
        }
    }

    /// Starts the task of a connection, or closes it if there is no place for it.
    fn admit(&self, accepted: Accepted, connections: &mut JoinSet<()>) {
        let peer = accepted.peer.ip();
        let entry = match self.places.enter(peer) {
            Ok(entry) => entry,
            Err(refused) => return self.refusals.report(peer, refused),
        };
        let (handler, refusals) = (self.handler.clone(), self.refusals.clone());
        let runtime = accepted.thread.and_then(|thread| self.runtimes.get(thread));
        let serving = async move {
            let mut stopping = handler.stopping.clone();
            // A client waits for a place for at most the handshake timeout, and no longer than the server runs.
            let place = tokio::select! {
                biased;
                place = entry.place(handler.timeouts.handshake) => place,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            match place {
                Some(_place) => handler.handle(accepted.peer, accepted.handshake).await,
                None => refusals.report(peer, Refused::Full),
            }
        };
        match runtime {
            Some(runtime) => connections.spawn_on(serving, runtime),
            None => connections.spawn(serving),
        };
    }

    /// Waits after a failure to accept. If no descriptor is free, closes the spare one instead, and uses its place to
    /// accept and close one connection. The client would otherwise wait until a descriptor is free.
    async fn recover(&self, error: &Error, spare: &mut Option<File>) {
        if !is_out_of_descriptors(error) || spare.take().is_none() {
            sleep(RETRY_DELAY).await;
        } else {
            drop(timeout(SHED_TIMEOUT, self.listener.accept()).await);
        }
        *spare = self::spare();
    }
}

/// Opens a spare descriptor, which the server closes to accept and shed a connection when it has no other descriptor
/// left.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_descriptors(error: &Error) -> bool {
    let (Error::Listen { source, .. } | Error::ListenUnix { source, .. }) = error else { return false };
    source.raw_os_error().is_some_and(|code| [Errno::EMFILE as i32, Errno::ENFILE as i32].contains(&code))
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        io,
        net::SocketAddr,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
    };

    use async_trait::async_trait;
    use tokio::sync::watch;

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
                0 | 1 => Err(Error::Listen {
                    addr: self.local_addr(),
                    source: io::Error::from_raw_os_error(Errno::EMFILE as i32),
                }),
                2 => Ok(Accepted::new(self.local_addr(), Box::pin(pending()))),
                _ => pending().await,
            }
        }
    }

    /// Returns the handler of a server with these options, and the sender of its stop.
    fn handler(options: &Options) -> (ConnectionHandler, watch::Sender<bool>) {
        let (stopping, stops) = watch::channel(false);
        let handler = ConnectionHandler {
            content: Arc::new(Content::new(options).unwrap()),
            timeouts: Timeouts {
                handshake: options.handshake_timeout,
                patience: Patience { idle: options.idle_timeout, min_rate: options.min_rate },
            },
            requests: RequestPlaces::new(1),
            alt_svc: None,
            stopping: stops,
        };
        (handler, stopping)
    }

    #[tokio::test]
    async fn a_connection_that_waits_for_a_place_in_vain_is_counted_unless_the_server_stops() {
        for (handshake_timeout, refused) in [(Duration::from_millis(10), 1), (Duration::from_secs(60), 0)] {
            let options = Options { handshake_timeout, ..Options::default() };
            let (handler, stopping) = handler(&options);
            let content = handler.content.clone();
            let places = Places::of_ports(1, 1, 1).remove(0);
            let _other = places.enter([127, 0, 0, 1].into()).unwrap();
            let listener = Box::new(Flaky(Arc::new(AtomicU32::new(2))));
            let port = Port { listener, sockets: Sockets::PerConnection };
            let serving = tokio::spawn(serve(port, handler, places, None, Duration::from_secs(10)));
            sleep(Duration::from_millis(500)).await;
            stopping.send_replace(true);
            serving.await.unwrap();
            let figures = content.exporter(&options).text().unwrap();
            let expected = format!("longhaul_connections_refused_total{{limit=\"server\"}} {refused}\n");
            assert!(figures.contains(&expected), "{figures}");
        }
    }

    #[tokio::test]
    async fn a_failure_to_accept_is_not_the_end_and_a_stop_is() {
        let options = Options::default();
        let (handler, stopping) = handler(&options);
        let accepts = Arc::new(AtomicU32::new(0));
        let places = Places::of_ports(1, 1, 1).remove(0);
        let free = || places.enter([127, 0, 0, 1].into()).is_ok_and(|entry| entry.has_place());
        let port = Port { listener: Box::new(Flaky(accepts.clone())), sockets: Sockets::PerConnection };
        let serving = tokio::spawn(serve(port, handler, places.clone(), None, Duration::from_millis(10)));
        timeout(Duration::from_secs(10), async {
            while free() {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        assert!(accepts.load(Ordering::Relaxed) >= 3);
        stopping.send_replace(true);
        timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
        assert!(free());
    }
}
