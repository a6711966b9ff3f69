//! The messages between the two hosts, one line of JSON each.

use std::time::Duration;

use record::{Case, Conditions, Fault, Host, IdlePolicy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Affinity, HostFacts,
    messages::{Event, Order},
};

/// The version of the messages. Hosts talk only if both have the same. It increases when a message changes, and when a case
/// gets an axis.
pub const CONTROL_VERSION: u32 = 1;

/// The header field with the version of the messages, in requests and in all responses of the control resource.
pub const VERSION_FIELD: &str = "longhaul-control";

/// The path of the control resource.
pub const CONTROL_PATH: &str = "/.longhaul/sessions";

/// The time between two signs of life of a host that has nothing else to say.
pub(super) const ALIVE: Duration = Duration::from_secs(3);

/// The time without any line after which the other host counts as gone: five signs of life.
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// A message of the client's host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Demand {
    /// Start the server's end of a run.
    Run(Box<RunDemand>),
    /// Pass an order on to that end.
    Order(Order),
    /// End the run, and state the conditions of the machine.
    End,
    /// The host is alive.
    Alive,
}

/// The demand for the server's end of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunDemand {
    /// The case, as records state cases. It stays as it came, so that an axis that this version does not know is noticed.
    pub(super) case: Value,
    /// The path of every request of the run.
    pub(super) path: String,
    /// The time without progress after which the transfer is aborted, in seconds.
    pub(super) timeout_s: f64,
    /// True if the receiver counts the framing that it sees.
    pub(super) observes_framing: bool,
    /// The cores of both ends, of which the host binds its own.
    pub(super) affinity: Affinity,
    /// The idle policy of that core during the run.
    pub(super) idle: IdlePolicy,
}

impl RunDemand {
    /// Returns the case, if this version knows all that it states.
    pub(super) fn case(&self) -> Option<Case> {
        let case: Case = serde_json::from_value(self.case.clone()).ok()?;
        (serde_json::to_value(&case).ok()? == self.case).then_some(case)
    }
}

/// A message of the server's host. The first one states its facts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// The facts of the host.
    Host(Box<HostFacts>),
    /// An event of the end.
    Event(Box<Event>),
    /// The end failed, or could not be started.
    Fault(Fault),
    /// The run has ended.
    Ended(Box<Ended>),
    /// The host is alive.
    Alive,
}

/// The facts of a run that has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The host, with the core of the end and the idle policy that was in force.
    pub(super) host: Host,
    /// The conditions of the machine during the run.
    pub(super) conditions: Conditions,
}
