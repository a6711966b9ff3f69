//! A server whose connections are spread over threads, and clients whose address changes.

use std::{net::UdpSocket, sync::Arc, thread};

use longhaul_transport::{Bind, Error, Identity, Listener, Session, Spread, listen_quic};
use record::Limits;
use tokio::{runtime::Builder, sync::mpsc, sync::oneshot};

use super::{
    peer::{Peer, soon},
    server::{answer, strict},
};

/// The threads of the server. With three, a hash of the addresses rarely leads to the right thread three times.
const THREADS: usize = 3;

/// Returns runtimes that other threads drive until the senders are dropped.
fn runtimes() -> (Vec<tokio::runtime::Handle>, Vec<oneshot::Sender<()>>) {
    let start = |_| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel::<()>());
        thread::spawn(move || drop(runtime.block_on(stopped)));
        (handle, stop)
    };
    (0..THREADS).map(start).unzip()
}

async fn serve(session: Arc<dyn Session>) {
    let (report, _reports) = mpsc::unbounded_channel();
    loop {
        match session.accept().await {
            Ok(Some(incoming)) => drop(tokio::spawn(answer(incoming, report.clone()))),
            Err(Error::Refused { .. }) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

#[tokio::test]
async fn a_connection_stays_with_its_thread_when_the_address_of_its_client_changes() {
    let (handles, _stops) = runtimes();
    let identity = Identity::self_signed(&["localhost"]).unwrap();
    let spread = Spread::over(handles.clone()).unwrap();
    let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity.clone()).with_guards(strict());
    let listener: Arc<dyn Listener> =
        listen_quic(&bind.with_spread(spread), &Limits::default()).unwrap().into();
    let addr = listener.local_addr();
    let accepting = listener.clone();
    tokio::spawn(async move {
        while let Ok(accepted) = accepting.accept().await {
            let thread = accepted.thread.expect("a thread");
            handles[thread].spawn(async move { serve(Arc::from(accepted.handshake.await.unwrap())).await });
        }
    });
    for _ in 0..8 {
        let peer = Peer::connect(addr, &identity).await;
        peer.assert_goes_on().await;
        for _ in 0..3 {
            peer.move_to(UdpSocket::bind("127.0.0.1:0").unwrap());
            soon(peer.assert_goes_on()).await;
        }
    }
}
