//! A network whose packets the kernel carries: the namespaces of both ends, and a third one between them with a bridge,
//! whose ports delay and pace packets.
//!
//! The ports see each packet of the ends. A queue at the end itself would see a UDP batch as one packet. On a kernel
//! without netem, the sender's TCP knows which packets wait at the port, and holds back further ones. So a queue
//! overflows less often than on a real path.

mod links;
mod loss;
mod programs;
mod queues;
mod totals;

use std::net::UdpSocket;

use record::{DirectionCount, NetworkRecord, NetworkSpec};

use self::{
    links::{CLIENT_PORT, SERVER_PORT},
    loss::Loss,
};
use super::{
    echo::{self, Echo},
    ends::{CLIENT, End, SERVER},
    namespaces::{NetworkNamespace, Owner},
};
use crate::{
    RelayEvent, RelayFault, RelayJob, Site,
    relay::{Orders, emit},
};

/// The namespaces of the ends, and the one between them.
pub(crate) struct KernelNetwork {
    owner: Owner,
    client: NetworkNamespace,
    server: NetworkNamespace,
    bridge: NetworkNamespace,
    loss: Loss,
    echo: Echo,
}

impl KernelNetwork {
    /// Creates the network. The process must have one thread.
    ///
    /// # Errors
    /// Fails if the rights, the kernel or its programs do not allow the network.
    pub(super) fn create(network: &NetworkSpec) -> Result<Self, RelayFault> {
        let owner = Owner::leave()?;
        let client = NetworkNamespace::current()?;
        let (server, bridge) = (NetworkNamespace::create()?, NetworkNamespace::create()?);
        links::create([&client, &server].map(|namespace| owner.way_to(namespace).network))?;
        let loss = queues::attach(network)?;
        let of_client = place(&client, &CLIENT, &SERVER, loss, network)?;
        let of_server = place(&server, &SERVER, &CLIENT, loss, network)?;
        Ok(Self { owner, client, server, bridge, loss, echo: Echo::new(of_client, of_server) })
    }

    /// Waits until the session orders the end, while the kernel carries packets. Then reports the kernel's counts.
    ///
    /// # Errors
    /// Fails if the counts of the kernel cannot be read.
    pub(super) async fn serve(self, job: &RelayJob) -> Result<(), RelayFault> {
        let mut orders = Orders::of_session()?;
        let mut report = NetworkRecord::new(job.network);
        let ready = RelayEvent::Ready {
            client: Some(self.site(&self.client, &CLIENT, job)),
            server: Some(self.site(&self.server, &SERVER, job)),
        };
        self.echo.until_open(&job.network).await?;
        report.round_trips_us = self.echo.ping(&job.network).await?;
        // The counts begin with the transfer.
        let (to_server, to_client) =
            (self.count(&self.server, SERVER_PORT)?, self.count(&self.client, CLIENT_PORT)?);
        emit(&ready);
        orders.next().await;
        report.to_server = totals::since(self.count(&self.server, SERVER_PORT)?, to_server);
        report.to_client = totals::since(self.count(&self.client, CLIENT_PORT)?, to_client);
        if job.network.reorder_per_million == 0 {
            (report.to_server.reordered, report.to_client.reordered) = (Some(0), Some(0));
        }
        // This process has carried no packets, so the report leaves its resources out.
        emit(&RelayEvent::Done(Box::new(report)));
        Ok(())
    }

    fn site(&self, namespace: &NetworkNamespace, end: &End, job: &RelayJob) -> Site {
        Site { namespace: self.owner.way_to(namespace), address: end.address(job.address) }
    }

    /// Returns the counts so far of the direction that leads through `port` to `end`.
    fn count(&self, end: &NetworkNamespace, port: &str) -> Result<DirectionCount, RelayFault> {
        self.bridge.enter()?;
        let dropped = queues::dropped(port)?;
        end.enter()?;
        totals::count(&dropped, self.loss)
    }
}

/// Prepares the namespace of an end, and returns a socket there.
fn place(
    namespace: &NetworkNamespace,
    own: &End,
    other: &End,
    loss: Loss,
    network: &NetworkSpec,
) -> Result<UdpSocket, RelayFault> {
    namespace.enter()?;
    links::configure(own, other)?;
    loss.begin(network)?;
    Ok(echo::socket(own.v4)?)
}
