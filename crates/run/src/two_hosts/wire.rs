//! The messages between the two hosts of a run, one line of JSON each.

use std::time::Duration;

use record::{Case, Conditions, Fault, Host, IdlePolicy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Affinity, HostFacts,
    messages::{Event, Order},
};

/// The version of the messages, which must be the same on both hosts. It increases when a message changes or a case
/// gains an axis.
pub const CONTROL_VERSION: u32 = 1;

/// The header field with the version of the messages, in requests to the control resource and in all its responses.
pub const VERSION_FIELD: &str = "longhaul-control";

/// The path of the control resource.
pub const CONTROL_PATH: &str = "/.longhaul/sessions";

/// The interval of the signs of life of a host.
pub(super) const ALIVE: Duration = Duration::from_secs(3);

/// The time without any line after which the other host counts as gone: five intervals of [`ALIVE`].
pub(super) const SILENCE: Duration = Duration::from_secs(15);

/// A message from the client's host to the server's host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Demand {
    /// Start the server's end of a run.
    Run(Box<RunDemand>),
    /// Pass an order on to the worker of the run.
    Order(Order),
    /// End the run, and report the conditions of the machine.
    End,
    /// A sign of life.
    Alive,
}

/// The demand to start the server's end of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunDemand {
    /// The case in the JSON of records. It is kept unparsed, so that an axis that this version does not know is
    /// noticed.
    pub(super) case: Value,
    /// The path of every request of the run.
    pub(super) path: String,
    /// The time without progress after which the transfer is aborted, in seconds.
    pub(super) timeout_s: f64,
    /// True if the receiver counts the framing that arrives.
    pub(super) observes_framing: bool,
    /// The cores of both ends. The host binds its own end only.
    pub(super) affinity: Affinity,
    /// The idle policy of the cores of the host's end during the run.
    pub(super) idle: IdlePolicy,
}

impl RunDemand {
    /// Returns the case, or `None` if this version does not know all that it states.
    pub(super) fn case(&self) -> Option<Case> {
        let case: Case = serde_json::from_value(self.case.clone()).ok()?;
        (serde_json::to_value(&case).ok()? == self.case).then_some(case)
    }
}

/// A message from the server's host to the client's host. The first one states the facts of the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// The facts of the host.
    Host(Box<HostFacts>),
    /// An event of the worker.
    Event(Box<Event>),
    /// The worker failed, or could not be started.
    Fault(Fault),
    /// The run has ended.
    Ended(Box<Ended>),
    /// A sign of life.
    Alive,
}

impl Answer {
    /// Returns the answer with the texts that are shown to people in printable form, because they come from another
    /// host.
    pub(super) fn printable(self) -> Self {
        match self {
            Self::Host(facts) => Self::Host(Box::new(facts.printable())),
            Self::Event(mut event) => {
                if let Event::Done(report) = event.as_mut() {
                    report.fault = report.fault.take().map(printable);
                }
                Self::Event(event)
            }
            Self::Fault(fault) => Self::Fault(printable(fault)),
            Self::Ended(ended) => {
                let Ended { host, conditions } = *ended;
                Self::Ended(Box::new(Ended { host: host.printable(), conditions }))
            }
            Self::Alive => Self::Alive,
        }
    }
}

/// Returns a failure with a message that is printable and not too long.
fn printable(fault: Fault) -> Fault {
    Fault { end: fault.end, ..Fault::new(fault.kind, fault.message) }
}

/// The facts of a run that has ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The host, with the cores of both ends and the idle policy in force during the run.
    pub(super) host: Host,
    /// The conditions of the machine during the run.
    pub(super) conditions: Conditions,
}
