//! The sign that the server of a peer is ready for a transfer.

use std::{net::Ipv4Addr, time::Duration};

use client::{AddressOptions, Client, Options, ResolveRule, Target};
use record::{Build, Case, Fault, Protocol};
use transport::Trust;

use super::run_folder::{NAME, RunFolder};
use crate::{Ready, exchange::unusable, program::Program};

/// The sign of one run, and the client that looks for it.
pub(super) struct Readiness {
    ready: Ready,
    client: Client,
    target: Target,
}

impl Readiness {
    /// Returns the sign of a server at a port: a connection over TCP. UDP has no connections, so that QUIC takes a whole
    /// handshake.
    pub(super) fn of(case: &Case, run_folder: &RunFolder, port: u16) -> Result<Self, Fault> {
        let quic = Protocol::by_name(&case.protocol).filter(|protocol| protocol.is_over_udp());
        let Some(protocol) = quic else {
            let target = Target::parse(&format!("http://{}:{port}/", Ipv4Addr::LOCALHOST));
            let client = Client::new(Options::default(), Build::default());
            return Ok(Self { ready: Ready::Port(port), client, target: target.map_err(unusable)? });
        };
        let target = Target::parse(&format!("{}://{NAME}:{port}/", protocol.scheme()));
        let target = target.and_then(|target| target.with_protocol(protocol)).map_err(unusable)?;
        let rule: ResolveRule = format!("{NAME}:{port}:{}", Ipv4Addr::LOCALHOST).parse().map_err(unusable)?;
        let trust = Trust::pem(run_folder.certificate.as_deref().unwrap_or_default()).map_err(unusable)?;
        let addresses = AddressOptions::default().resolving([rule]);
        let options = Options::default().with_trust(trust).with_addresses(addresses);
        Ok(Self { ready: Ready::Connects, client: Client::new(options, Build::default()), target })
    }

    /// Waits until the server is ready.
    ///
    /// # Errors
    /// Fails if the server ends before that, and if it is not ready within `patience`.
    pub(super) async fn wait(&self, program: &mut Program, patience: Duration) -> Result<(), Fault> {
        let port = self.target.port();
        self.ready.wait(program, &self.client, &self.target, Some(port), patience).await
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use record::Limits;
    use transport::{Bind, Identity, listen_quic};

    use super::*;
    use crate::peers::Peer;

    #[tokio::test]
    async fn a_server_on_udp_alone_is_ready_over_quic_and_not_over_tcp() {
        let parent = tempfile::tempdir().unwrap();
        let peer = Peer::parse("longhaul-serve").unwrap();
        let case = Case::new("h3");
        let run_folder = RunFolder::make(parent.path(), &peer, &case, None).unwrap();
        let values = run_folder.values(&case, ([127, 0, 0, 1], 1).into(), "/", None, None).unwrap();
        let of = |name: &str| values.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        let identity = Identity::read(Path::new(&of("cert")), Path::new(&of("key"))).unwrap();
        let bind = Bind::new(([127, 0, 0, 1], 0).into()).with_identity(identity);
        let listener = listen_quic(&bind, &Limits::default()).unwrap();
        let port = listener.local_addr().port();
        tokio::spawn(async move {
            while let Ok(arrival) = listener.accept().await {
                tokio::spawn(arrival.handshake);
            }
        });
        let words = ["sleep", "60"].map(Into::into);
        let mut program = Program::start(&words, None).unwrap();
        let ready = Readiness::of(&case, &run_folder, port).unwrap();
        assert_eq!(ready.wait(&mut program, Duration::from_secs(20)).await, Ok(()));
        let tcp = Readiness::of(&Case::new("h2"), &run_folder, port).unwrap();
        let fault = tcp.wait(&mut program, Duration::ZERO).await.unwrap_err();
        assert!(fault.message.starts_with("sleep was not ready within 0 s"), "{}", fault.message);
    }
}
