//! The connection to a target.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use metrics::Stamp;
use record::{Fault, FaultKind};
use tokio::{net::lookup_host, time::timeout};
use transport::{Connection, Peer};

use crate::{Options, Target};

/// Connects to the first address of the target that answers. Returns the connection and the time of its handshake.
///
/// # Errors
/// The fault of the last address that was dialled, or of the name if it has none.
pub(crate) async fn dial(
    target: &Target,
    options: &Options,
) -> Result<(Arc<dyn Connection>, Duration), Fault> {
    let mut failed = Fault::new(FaultKind::Connect, format!("{} has no address", target.host()));
    for addr in addresses(target).await? {
        let peer =
            Peer::new(addr, target.host(), options.trust.clone()).with_key_log(options.key_log.clone());
        let began = Stamp::now();
        match timeout(options.timeout, target.transport().connect(&peer, &options.limits)).await {
            Ok(Ok(connection)) => return Ok((connection.into(), began.elapsed())),
            Ok(Err(error)) => failed = error.into(),
            Err(_) => {
                let waited = options.timeout.as_secs_f64();
                let message = format!("no handshake with {addr} within {waited} s");
                failed = Fault::new(FaultKind::Timeout, message);
            }
        }
    }
    Err(failed)
}

/// The addresses of the target's host, in the order of the resolver.
async fn addresses(target: &Target) -> Result<Vec<SocketAddr>, Fault> {
    let unknown = |error| Fault::new(FaultKind::Connect, format!("cannot find {}: {error}", target.host()));
    let found = lookup_host((target.host(), target.port())).await.map_err(unknown)?;
    Ok(found.collect())
}
