//! The flags of `longhaul bench`.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use clap::Args;
use client::{ControlResource, Options};
use record::{Case, SinkKind};
use subject::peers::Peer;

use super::{Defaults, RunArgs, request::bearer, trust::TrustArgs};
use crate::exit::Usage;

/// The time limit for a handshake with the host of the server ends, and for its response.
const REACH: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Also run another program in the place of one end: a name that `longhaul peers` lists, or NAME=CMD (repeatable)
    ///
    /// Its runs are in the same rounds as those of longhaul's own ends. A CMD with {url} is a client, and one with
    /// {port} but without {url} is a server; a prefix client: or server: overrides this. Quotation marks keep words
    /// together; {file}, {size}, {cacert}, {host}, {root}, {cert} and {key} are filled in.
    #[arg(long = "peer", value_name = "NAME[=CMD]", value_parser = Peer::parse)]
    peers: Vec<Peer>,
    /// Continue the interrupted session in this folder of results: make the runs that it has not recorded
    ///
    /// The session keeps the flags of its recorded command line. Only --json, --quiet, --verbose, --title, --csv,
    /// --color and --max-time may differ from them.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "list", "explain_memory"])]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runs: RunArgs,
    /// TOML file of flags, without their hyphens; `[[matrix]]` begins a further matrix. Flags on the command line win
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    peer_host: PeerHostArgs,
    /// The further matrices of the file.
    #[arg(skip)]
    pub(crate) further: Vec<RunArgs>,
}

/// The flags of a session whose server ends run on another host.
#[derive(Debug, Args)]
struct PeerHostArgs {
    /// Run the servers' ends on another host, where `longhaul serve --measure` listens: https://HOST:PORT
    ///
    /// The host measures them, and each record has both ends. Clocks of the two hosts are never compared.
    #[arg(long, value_name = "URL", conflicts_with = "peers")]
    to: Option<String>,
    /// File with the token of that host
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

impl BenchArgs {
    /// Returns the host of the server ends; `None` for this host.
    ///
    /// # Errors
    /// Fails if its URL or a file cannot be used, or if a flag needs both ends on one host.
    pub(crate) fn peer_host(&self, cases: &[Case]) -> Result<Option<ControlResource>, Usage> {
        let PeerHostArgs { to, token_file, trust } = &self.peer_host;
        let Some(url) = to else {
            return match token_file.is_some() || trust.is_given() {
                true => Err(Usage::new(
                    "--token-file, --cacert, --pin, --insecure, --cert and --tls12 are for the host of --to URL",
                )),
                false => Ok(None),
            };
        };
        self.check_for_two_hosts(cases)?;
        let credentials = token_file.as_deref().map(bearer).transpose()?;
        let options = Options::default()
            .with_trust(trust.trust()?)
            .with_identity(trust.identity()?)
            .with_oldest_tls(trust.oldest())
            .with_timeout(REACH);
        let request = options.request.clone().with_credentials(credentials);
        let host = ControlResource::at(url, options.with_request(request));
        host.map(Some).map_err(|error| Usage::new(format!("--to: {error}")))
    }

    /// Takes the credentials in the URL of --to from another command line. Records do not have them.
    pub(super) fn take_credentials_of(&mut self, flags: &Self) {
        if let Some(to) = &flags.peer_host.to {
            self.peer_host.to = Some(to.clone());
        }
    }

    /// Refuses flags that need both ends on one host, or files on both hosts.
    fn check_for_two_hosts(&self, cases: &[Case]) -> Result<(), Usage> {
        let session = &self.runs.session;
        let is_saved = |case: &Case| !matches!(case.sink, SinkKind::Discard | SinkKind::Verify);
        let refused = [
            ("--address", session.names_address(), "the other host listens where its serve does"),
            ("--network", self.runs.network.is_given(), "the path between the two hosts is the network"),
            ("--settle", session.settle.is_some(), "the two ends share no cache on two hosts"),
            ("--payload", cases.iter().any(|case| !case.payload.is_generated()), "use random, zero or cold"),
            ("--sink", cases.iter().any(is_saved), "use discard or verify"),
        ];
        match refused.into_iter().find(|(_, is_given, _)| *is_given) {
            Some((flag, _, reason)) => Err(Usage::new(format!("{flag}: not with --to: {reason}"))),
            None => Ok(()),
        }
    }

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
    /// Fails if two have the same name, because their runs would form one series, and if one is not installed.
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
