//! A server over HTTP/3 with a receive window of 16 MiB, whose handler begins to read an upload after 500 ms: large-window PORT.
//!
//! With quinn-proto 0.11.15 to 0.11.17, a stream that holds more than 2,048 chunks ends the connection, although they are
//! contiguous (quinn-rs/quinn issue 2809).

use std::{error::Error, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use h3::server::RequestStream;
use h3_quinn::BidiStream;
use http::Response;
use quinn::{Endpoint, ServerConfig, TransportConfig, VarInt, crypto::rustls::QuicServerConfig};

const WINDOW: u32 = 16 << 20;
const LATE: Duration = Duration::from_millis(500);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let port: u16 = std::env::args().nth(1).ok_or("a port is missing")?.parse()?;
    let endpoint = Endpoint::server(config()?, (Ipv4Addr::LOCALHOST, port).into())?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let mut connection =
                h3::server::Connection::<_, Bytes>::new(h3_quinn::Connection::new(incoming.await?)).await?;
            while let Some(resolver) = connection.accept().await? {
                let (_, stream) = resolver.resolve_request().await?;
                tokio::spawn(answer(stream));
            }
            Ok::<_, Failure>(())
        });
    }
    Ok(())
}

async fn answer(mut stream: RequestStream<BidiStream<Bytes>, Bytes>) -> Result<(), Failure> {
    tokio::time::sleep(LATE).await;
    while stream.recv_data().await?.is_some() {}
    stream.send_response(Response::new(())).await?;
    stream.finish().await?;
    Ok(())
}

fn config() -> Result<ServerConfig, Failure> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(WINDOW.into()).receive_window(VarInt::from_u32(2 * WINDOW));
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport));
    Ok(config)
}
