//! The flags of `longhaul plan`.

use std::time::Duration;

use clap::Args;
use record::{BitRate, ByteSize, End, NetworkSpec, PROTOCOLS, Protocol};
use run::path_plan::{Demand, Path};

use super::{
    names::{Named, http_protocol, named},
    values::{count, distinct, duration},
};
use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Rate of the path, such as 1Gbit or 500Mbit; a size such as 125MB is bytes per second
    #[arg(long, value_name = "RATE")]
    rate: BitRate,
    /// Round-trip time of the path
    #[arg(long, value_name = "TIME", value_parser = duration)]
    rtt: Duration,
    /// Readers that may stand still at once, each with a body on a separate connection
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=10_000_000))]
    readers: u32,
    /// Memory that stalled readers may take
    #[arg(long, value_name = "SIZE")]
    memory: ByteSize,
    /// End of the process whose memory counts: receiver, or sender (of downloads)
    #[arg(long, value_name = "END", default_value = "receiver", value_parser = end(), hide_possible_values = true)]
    end: Named<End>,
    /// Protocols, separated by commas [default: those with HTTP]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = http_protocol(), ignore_case = true, hide_possible_values = true)]
    protocol: Vec<Named<&'static Protocol>>,
    /// Measure one body of each protocol with the setting within the memory, over an emulated path (3 runs of about 5 s each)
    #[arg(long, conflicts_with = "json")]
    verify: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl PlanArgs {
    /// Returns the demand that the plan has to meet.
    ///
    /// # Errors
    /// Fails if the path has no rate.
    pub(crate) fn demand(&self) -> Result<Demand, Usage> {
        let path = Path::new(self.rate.bits_per_s() as f64, self.rtt);
        let path = path.ok_or_else(|| Usage::new("--rate: use a rate above zero"))?;
        Ok(Demand { path, readers: self.readers, memory: self.memory, end: self.end.1 })
    }

    /// Returns the emulated path over which the plan is to be verified; `None` without verification.
    pub(crate) fn emulated(&self) -> Option<NetworkSpec> {
        let path = NetworkSpec { rtt: self.rtt, rate: Some(self.rate), ..NetworkSpec::default() };
        self.verify.then_some(path)
    }

    /// Returns the protocols.
    ///
    /// # Errors
    /// Fails if one of them carries no HTTP, because only longhaul's own code renews the windows of such a protocol.
    pub(crate) fn protocols(&self) -> Result<Vec<&'static Protocol>, Usage> {
        let named: Vec<&'static Protocol> =
            distinct(&self.protocol).iter().map(|Named(_, protocol)| *protocol).collect();
        match named.iter().find(|protocol| !protocol.is_http()) {
            Some(other) => {
                let reason =
                    format!("--protocol {}: it carries no HTTP; plan is for protocols that do", other.name);
                Err(Usage::new(reason))
            }
            None if named.is_empty() => Ok(PROTOCOLS.iter().filter(|protocol| protocol.is_http()).collect()),
            None => Ok(named),
        }
    }
}

fn end() -> impl clap::builder::TypedValueParser<Value = Named<End>> {
    named([("receiver", End::Receiver), ("sender", End::Sender)])
}
