//! The same case again and again, kept nowhere: how far its figures scatter is the machine's own noise.

use std::time::Duration;

use anyhow::bail;

use super::{process::ProcessExecutor, progress::LiveView, session::Session};
use crate::{
    build::Build,
    case::Case,
    cli::Affinity,
    host::Host,
    machine::{Idle, Vigil},
};

/// How long a run may stand still.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The goodput of each of `rounds` runs of a case, in bytes per second.
///
/// # Errors
/// A run failed, or was interrupted.
pub(crate) fn repeat(case: &Case, rounds: u32) -> anyhow::Result<Vec<f64>> {
    let cases = std::slice::from_ref(case);
    let executor = ProcessExecutor::of_this_binary(Affinity::Auto, TIMEOUT, cases)?;
    let _vigil = Vigil::keep(Idle::Poll);
    let mut session = Session::new(Host::here(), Build::this());
    let mut goodputs = Vec::new();
    let mut keep = |record: &crate::record::Record| {
        if let Some(fault) = &record.error {
            bail!("{}: {}", record.case.name, fault.message);
        }
        goodputs.extend(record.goodput_bytes_per_s);
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut view = LiveView::new(true, 0);
    runtime.block_on(session.run(cases, rounds, &executor, &mut view, &mut keep))?;
    Ok(goodputs)
}
