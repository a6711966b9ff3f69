//! The flags of `longhaul bench`.

use std::{collections::HashSet, path::PathBuf};

use clap::Args;
use record::Case;
use subject::peers::Peer;

use super::{Defaults, RunArgs};
use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Also run another program in the place of one end: a name that `longhaul peers` lists, or NAME=CMD (repeatable)
    ///
    /// Its runs are in the same rounds as those of longhaul's own ends. A CMD with {url} is a client, else one with {port} a
    /// server; client: or server: before it decides otherwise. Quotation marks keep words together; {file}, {size},
    /// {cacert}, {host}, {root}, {cert} and {key} are filled in.
    #[arg(long = "peer", value_name = "NAME[=CMD]", value_parser = Peer::parse)]
    peers: Vec<Peer>,
    /// Continue the interrupted session in this folder of results: make the runs that it has not recorded
    ///
    /// The flags are those of the recorded command line. Of further flags, only those of the output and --max-time may differ.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "list", "explain_memory"])]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runs: RunArgs,
    /// TOML file of flags, without their hyphens; `[[matrix]]` begins a further matrix. Flags on the command line win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The further matrices of the file.
    #[arg(skip)]
    pub(crate) further: Vec<RunArgs>,
}

impl BenchArgs {
    /// Returns the cases of all matrices. A case of several matrices runs once.
    ///
    /// # Errors
    /// Fails as [`RunArgs::cases`] does.
    pub(crate) fn cases(&self) -> Result<Vec<Case>, Usage> {
        let mut cases = Vec::new();
        for runs in std::iter::once(&self.runs).chain(&self.further) {
            cases.append(&mut runs.cases(&Defaults::BENCH)?);
        }
        let mut keys = HashSet::new();
        cases.retain(|case| keys.insert(case.key().to_string()));
        Ok(cases)
    }

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
