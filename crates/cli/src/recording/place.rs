//! The machine and the program of a session, ready for its runs.

use record::{Build, Case, Host, NetworkSpec, RelayKind, Warning};
use run::{
    Interruption, RelayProcess, describe_ends,
    machine::{self, IdleGuard},
    this_host,
};
use tokio::runtime::Runtime;

use crate::{
    exit::Usage,
    flags::SessionArgs,
    output::note,
    program::{allocator_settings, this_build},
};

/// The machine and the program, ready for runs.
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) build: Build,
    pub(super) idle: IdleGuard,
    pub(super) runtime: Runtime,
    pub(super) interruption: Interruption,
    /// The warnings about this machine that concern the cases.
    pub(super) warnings: Vec<Warning>,
}

impl Place {
    pub(super) fn prepare(args: &SessionArgs, cases: &[Case]) -> anyhow::Result<Self> {
        let threads = cases.iter().map(|case| case.threads).max().unwrap_or(1);
        let cores = args.affinity.cores(threads);
        let shared = cores.as_ref().and_then(|cores| cores.shared_by(threads));
        if let Some(shared) = shared.filter(|_| !args.quiet) {
            note(&shared);
        }
        let cores = cores.as_ref();
        let (idle, mut host, build) = (IdleGuard::keep(args.idle, cores), this_host(), this_build());
        (host.idle, host.awake) = (Some(idle.policy()), idle.awake());
        describe_ends(&mut host, cores);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let interruption = runtime.block_on(async { Interruption::catch() })?;
        runtime.block_on(try_networks(cases))?;
        let warnings = machine::warnings(cases, cores, &build, allocator_settings());
        Ok(Self { host, build, idle, runtime, interruption, warnings })
    }
}

/// Makes once each network of `cases` that needs more than sockets, so that a machine without it fails before the first
/// run.
async fn try_networks(cases: &[Case]) -> anyhow::Result<()> {
    let needs_rights = |network: &NetworkSpec| network.relay != RelayKind::Sockets;
    let mut tried = Vec::new();
    for network in cases.iter().filter_map(|case| case.network).filter(needs_rights) {
        if tried.contains(&network) {
            continue;
        }
        tried.push(network);
        match RelayProcess::of_this_program(network).await {
            Ok(_) => {}
            Err(error) if error.is_unsupported() => {
                return Err(Usage::new(format!("--network {network}: {error}")).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
