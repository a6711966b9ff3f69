//! A server on a thread of its own, a client here, on a core each, one connection over real sockets between them.

use std::{
    rc::Rc,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use transport::{Bind, Connection, Identity, Limits, Peer, Transport, Trust};

use crate::{Job, exchange::serve};

/// The name in the server's certificate.
const NAME: &str = "localhost";

/// A connection over which one transfer after the other is made.
pub struct WarmPair {
    runtime: LocalRuntime,
    connection: Rc<dyn Connection>,
    target: Rc<str>,
}

impl WarmPair {
    /// Starts a server for `transport`, which ends with the connection, and connects to it.
    pub fn connect(transport: &'static dyn Transport) -> Self {
        let (told, listening) = mpsc::channel();
        pin(0);
        thread::spawn(move || {
            pin(1);
            let runtime = runtime();
            let server = runtime.spawn_local(async move {
                let identity = Identity::self_signed(&[NAME]).expect("a certificate");
                let trust = Trust::pem(identity.certificate_pem()).expect("the same certificate");
                let bind = Bind::new(([127, 0, 0, 1], 0).into(), identity);
                let listener = transport.listen(&bind, &Limits::default()).expect("a free port");
                told.send((listener.local_addr(), trust)).expect("a client that waits");
                let handshake = listener.accept().await.expect("a connection");
                serve(handshake.await.expect("a handshake").as_ref()).await;
            });
            runtime.block_on(server).expect("a server");
        });
        let (addr, trust) = listening.recv().expect("a server that listens");
        let peer = Peer::new(addr, NAME, trust);
        let runtime = runtime();
        let connection =
            runtime.block_on(transport.connect(&peer, &Limits::default())).expect("a connection");
        let scheme = if transport.features().tls { "https" } else { "http" };
        Self {
            runtime,
            connection: connection.into(),
            target: format!("{scheme}://{NAME}:{}", addr.port()).into(),
        }
    }

    /// Makes one transfer, in a task as a worker does, and tells how long it took, up to the confirmed end.
    pub fn transfer(&self, job: Job) -> Duration {
        let (connection, target) = (self.connection.clone(), self.target.clone());
        let transfer = self.runtime.spawn_local(async move { job.make(connection.as_ref(), &target).await });
        self.runtime.block_on(transfer).expect("a transfer")
    }
}

/// Binds this thread to the first or the second core that the process may use; where there are not two, to none.
fn pin(which: usize) {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    let this = Pid::from_raw(0);
    let cores = CORES.get_or_init(|| {
        let allowed = sched_getaffinity(this).unwrap_or_default();
        (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true)).collect()
    });
    if cores.len() < 2 {
        return;
    }
    let mut one = CpuSet::new();
    one.set(cores[which]).and_then(|()| sched_setaffinity(this, &one)).expect("a core that is allowed");
}

fn runtime() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime")
}
