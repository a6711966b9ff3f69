//! A client and a server in one process, each on its own core, and one connection over real sockets between them.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{
        OnceLock,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use record::{Case, Limits, Protocol};
use run::machine::{self, Cores};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use transport::{Bind, Connection, Identity, Peer, Transport, Trust};

use crate::{
    Instruments,
    exchange::{Part, serve},
};

/// The cores of all pairs. They are chosen before the first pair binds this thread to one of them.
static CORES: OnceLock<Option<Cores>> = OnceLock::new();

/// The name in the server's certificate.
const NAME: &str = "localhost";

/// A connection that carries transfers one after the other.
pub struct WarmPair {
    runtime: LocalRuntime,
    connection: Rc<dyn Connection>,
    target: Rc<str>,
    server: Sender<Part>,
}

impl WarmPair {
    /// Starts a server on a separate thread, which ends with the connection, and connects to it. Client and server are
    /// each bound to a core, if there are two.
    pub fn connect(protocol: &'static Protocol) -> Self {
        let transport = transport::of(protocol).expect("an implementation");
        let cores = *CORES.get_or_init(Cores::choose);
        let (server, parts) = mpsc::channel();
        let (report, listening) = mpsc::channel();
        thread::spawn(move || {
            bind(cores.map(|cores| cores.receiver));
            let runtime = runtime();
            let serving = runtime.spawn_local(listen(transport, report, parts));
            runtime.block_on(serving).expect("a server");
        });
        bind(cores.map(|cores| cores.sender));
        let (addr, trust) = listening.recv().expect("a server that listens");
        let peer = Peer::new(addr, NAME, trust);
        let runtime = runtime();
        let limits = Limits::default();
        let connection = runtime.block_on(transport.connect(&peer, &limits)).expect("a connection");
        Self {
            runtime,
            connection: connection.into(),
            target: format!("{}://{NAME}:{}/", protocol.scheme(), addr.port()).into(),
            server,
        }
    }

    /// Makes one transfer in a task, like a worker. Returns the time of the transfer, up to its confirmed end.
    pub fn transfer(&self, case: &Case, instruments: Instruments) -> Duration {
        let (client, server) = Part::both(case, instruments);
        self.server.send(server).expect("a server that runs");
        let (connection, target) = (self.connection.clone(), self.target.clone());
        let transfer =
            self.runtime.spawn_local(async move { client.exchange(connection.as_ref(), &target).await });
        self.runtime.block_on(transfer).expect("a transfer")
    }
}

/// Serves one connection.
async fn listen(transport: &dyn Transport, report: Sender<(SocketAddr, Trust)>, parts: Receiver<Part>) {
    let identity = Identity::self_signed(&[NAME]).expect("a certificate");
    let trust = Trust::pem(identity.certificate_pem()).expect("the same certificate");
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity);
    let listener = transport.listen(&bind, &Limits::default()).expect("a free port");
    report.send((listener.local_addr(), trust)).expect("a client that waits");
    let accepted = listener.accept().await.expect("a connection");
    serve(accepted.handshake.await.expect("a handshake").as_ref(), parts).await;
}

fn bind(core: Option<usize>) {
    if let Some(core) = core {
        machine::bind(core).expect("a core that is allowed");
    }
}

fn runtime() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime")
}
