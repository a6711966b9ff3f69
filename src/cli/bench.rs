//! The flags of `longhaul bench`.

use clap::Args;
use subject::peers::Peer;

use super::RunArgs;
use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Run another program in the place of one end, beside longhaul's own ends and in the same rounds: a name that `longhaul
    /// peers` lists, or NAME=CMD. A CMD with {url} is a client, else one with {port} a server; client: or server: before it
    /// decides otherwise. Quotation marks keep words together; {file}, {size}, {cacert}, {host}, {root}, {cert} and {key} are
    /// filled in. Repeat the flag for several programs
    #[arg(long = "peer", value_name = "NAME[=CMD]", value_parser = Peer::parse)]
    peers: Vec<Peer>,
    #[command(flatten)]
    pub(crate) runs: RunArgs,
}

impl BenchArgs {
    /// Returns the peers.
    ///
    /// # Errors
    /// Fails if two have the same name, which would make one series of their runs, and if one is not installed.
    pub(crate) fn peers(&self) -> Result<&[Peer], Usage> {
        for (place, peer) in self.peers.iter().enumerate() {
            let earlier = self.peers.iter().take(place);
            if earlier.into_iter().any(|other| other.name() == peer.name()) {
                return Err(Usage::new(format!("--peer {peer}: two peers have this name")));
            }
            if peer.installed().is_none() {
                let reason = format!("--peer {peer}: it is not installed here: {}", peer.remedy());
                return Err(Usage::new(reason));
            }
        }
        Ok(&self.peers)
    }
}
