//! A network whose packets this process carries, between two TUN interfaces, one in the namespace of each end.

use std::{io, os::fd::OwnedFd};

use record::NetworkRecord;

use super::{
    carry::carry,
    counters,
    echo::{self, Echo},
    ends::{CLIENT, End, INTERFACE, SERVER},
    namespaces::{NetworkNamespace, Owner},
    tun,
};
use crate::{
    RelayEvent, RelayFault, RelayJob, Site,
    relay::{Orders, emit, emit_report, links},
};

/// Two namespaces with an interface each.
pub(crate) struct TunNetwork {
    owner: Owner,
    client: NamespaceEnd,
    server: NamespaceEnd,
    echo: Echo,
}

/// One end of the network: its namespace, and the TUN interface in that namespace.
struct NamespaceEnd {
    namespace: NetworkNamespace,
    interface: OwnedFd,
}

impl TunNetwork {
    /// Creates the network. The process must have one thread.
    ///
    /// # Errors
    /// Fails if the rights or the kernel do not allow the network.
    pub(super) fn create() -> Result<Self, RelayFault> {
        let owner = Owner::leave()?;
        let client =
            NamespaceEnd { namespace: NetworkNamespace::current()?, interface: tun::create(&CLIENT)? };
        let of_client = echo::socket(CLIENT.v4)?;
        let server =
            NamespaceEnd { namespace: NetworkNamespace::create()?, interface: tun::create(&SERVER)? };
        let of_server = echo::socket(SERVER.v4)?;
        Ok(Self { owner, client, server, echo: Echo::new(of_client, of_server) })
    }

    /// Carries packets until the session orders the end. Then reports the measurements.
    ///
    /// # Errors
    /// Fails if an interface fails.
    pub(super) async fn serve(self, job: &RelayJob) -> Result<(), RelayFault> {
        let mut orders = Orders::of_session()?;
        let ready = RelayEvent::Ready {
            client: Some(self.site(&self.client.namespace, &CLIENT, job)),
            server: Some(self.site(&self.server.namespace, &SERVER, job)),
        };
        let (client, server) = (tun::register(self.client.interface)?, tun::register(self.server.interface)?);
        let mut report = NetworkRecord::new(job.network);
        let idle = links(job);
        report.round_trips_us = tokio::select! {
            error = carry(&client, &server, &idle) => return Err(error.into()),
            times = self.echo.ping(&job.network) => times?,
        };
        // The counts begin with the transfer.
        let links = links(job);
        emit(&ready);
        tokio::select! {
            error = carry(&client, &server, &links) => return Err(error.into()),
            _ = orders.next() => {}
        }
        let [to_server, to_client] = links.map(|link| link.borrow().count());
        (report.to_server, report.to_client) = (to_server, to_client);
        let ends = [
            (&self.client.namespace, &mut report.to_server),
            (&self.server.namespace, &mut report.to_client),
        ];
        for (namespace, count) in ends {
            let unsent = unsent(namespace)?;
            count.overflowed = count.overflowed.map(|packets| packets.saturating_add(unsent));
        }
        emit_report(report);
        Ok(())
    }

    fn site(&self, namespace: &NetworkNamespace, end: &End, job: &RelayJob) -> Site {
        Site { namespace: self.owner.way_to(namespace), address: end.address(job.address) }
    }
}

/// Returns the number of packets of an end that were dropped because the queue in front of this process was full.
fn unsent(namespace: &NetworkNamespace) -> io::Result<u64> {
    namespace.enter()?;
    Ok(counters::read(INTERFACE)?.unsent)
}
