//! The other host, on which the server ends of a session run.

use std::rc::Rc;

use client::ControlResource;
use record::Warning;
use run::{ControlError, HostFacts, PeerHost, other_build};

use super::{Recording, continued::refused, warn};
use crate::{exit::Usage, flags::SessionArgs, output::note, program::this_build};

/// Reaches the host for the first time.
///
/// # Errors
/// Fails if it cannot be reached, refuses the session, or speaks another version of the control messages.
pub(crate) fn reach(resource: ControlResource, args: &SessionArgs) -> anyhow::Result<PeerHost> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = resource.host();
    let reached = runtime.block_on(PeerHost::reach(Box::new(resource)));
    let host = reached.map_err(|error| match error {
        ControlError::Version(_) => anyhow::Error::new(Usage::new(format!("{url}: {error}"))),
        error => anyhow::anyhow!("{url}: {error}"),
    })?;
    let host = host.with_cores(args.idle, args.affinity.clone());
    if !args.quiet {
        note(&format!("the servers' ends run on {}", described(&host.facts())));
    }
    Ok(host)
}

/// Returns a machine in words: "b (Zen 4, 2 cores, 8 GiB, Linux 6.1)".
fn described(facts: &HostFacts) -> String {
    let host = &facts.host;
    let parts = [
        host.cpu.clone(),
        host.cores.map(|cores| format!("{cores} cores")),
        host.memory_bytes.map(|bytes| format!("{:.0} GiB", record::mib(bytes) / 1024.0)),
        host.kernel.as_ref().map(|kernel| format!("{} {kernel}", host.os)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{} ({})", facts.name(), parts.join(", "))
}

impl Recording<'_> {
    /// Runs the server ends of all later runs on another host, if there is one. Prints the warnings of that host.
    ///
    /// # Errors
    /// Fails if the session continues, and its server ends ran on another machine or with another build.
    pub(crate) fn run_servers_on(&mut self, host: Option<PeerHost>) -> Result<(), Usage> {
        let Some(host) = host else { return Ok(()) };
        let facts = host.facts();
        if let Some(earlier) = &self.earlier {
            let folder = self.folder();
            earlier.check_peer_place(&facts).map_err(|error| refused(&folder, &error))?;
        }
        let warnings: Vec<Warning> =
            facts.named_warnings().chain(other_build(&this_build(), &facts)).collect();
        warn(&warnings);
        self.peer_host = Some(Rc::new(host));
        Ok(())
    }
}
