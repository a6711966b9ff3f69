//! A server over HTTP/3 whose handler reads its uploads slowly: 2 MiB/s for ten seconds, and then no more.
//!
//! With `bounded`, longhaul's own framing reads no more than the handler takes. With `stock`, h3 0.0.8 buffers what it gets
//! meanwhile (hyperium/h3 issue 308). `longhaul conform` tells them apart:
//!
//! ```sh
//! longhaul conform --case unread-body -k 'https://127.0.0.1:{port}/' -- target/debug/examples/late_reader {port} stock
//! ```

use std::{env, error::Error, net::Ipv4Addr, time::Duration};

use http::Response;
use http_body_util::BodyExt as _;
use record::{H3_RECV, Limits};
use tokio::time::{Instant, sleep};
use transport::{Bind, Identity, Incoming, Session, body, by_name};

/// The rate at which a handler reads, in bytes per second, and its time. A busy machine was seen to send 9 MiB/s.
const RATE: f64 = 2.0 * 1024.0 * 1024.0;
const TIME: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (port, receiving) = (arguments.next().ok_or("a port is missing")?, arguments.next());
    let mut limits = Limits::default();
    limits.set(&H3_RECV, H3_RECV.parse(&receiving.ok_or("bounded or stock is missing")?)?)?;
    let identity = Identity::self_signed(&["localhost", "127.0.0.1"])?;
    let bind = Bind::new((Ipv4Addr::LOCALHOST, port.parse()?).into()).with_identity(identity);
    let listener = by_name("h3").ok_or("no HTTP/3")?.listen(&bind, &limits)?;
    loop {
        let accepted = listener.accept().await?;
        tokio::spawn(async move {
            if let Ok(session) = accepted.handshake.await {
                serve(session).await;
            }
        });
    }
}

async fn serve(session: Box<dyn Session>) {
    while let Ok(Some(incoming)) = session.accept().await {
        tokio::spawn(answer(incoming));
    }
}

async fn answer(incoming: Incoming) {
    let (mut upload, began, mut bytes) = (incoming.request.into_body(), Instant::now(), 0.0);
    while began.elapsed() < TIME
        && let Some(Ok(frame)) = upload.frame().await
    {
        bytes += frame.data_ref().map_or(0.0, |data| data.len() as f64);
        let ahead = Duration::from_secs_f64(bytes / RATE).saturating_sub(began.elapsed());
        // A timer of tokio takes a millisecond at least.
        if ahead >= Duration::from_millis(2) {
            sleep(ahead).await;
        }
    }
    // A client that has left needs no answer.
    let _ = incoming.responder.respond(Response::new(body::full("late\n"))).await;
}
