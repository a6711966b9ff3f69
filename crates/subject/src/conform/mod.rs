//! A suite of named cases about backpressure: what a client, a server or a proxy does when the far end of a body is slow,
//! stands still, leaves, or sends what it should not.
//!
//! Each case runs against a freshly started program, or against the running process that is watched. Its bound is an
//! eighth of a large body. A program whose memory grows by more, while the reader does not read, buffers bytes that
//! backpressure should keep at the sender.

mod cases;
mod far;
mod near;
mod path;
mod raw;
mod reading;
mod script;
mod stage;
mod trouble;
mod watched;

use std::{net::Ipv4Addr, time::Duration};

use analyse::{Conduct, Trial, TrialFigure, standstill_bound};
use client::{Client, Options};
use metrics::Stamp;
use payload::Digest;
use record::{Build, ByteSize, Case, Direction, Fault, NetworkSpec, PROTOCOLS, Protocol, Subject};
use tokio::sync::OnceCell;

use crate::{Bodies, CommandLine, Endpoints, Source, exchange::beside};
use cases::Actor;
use far::Far;
use stage::{Act, Stage};
use trouble::{Seen, Trouble};

pub use cases::{CONFORM_CASES, ConformCase};

/// The smallest size of a large body. A program with constant memory, uncollected garbage included, stays well below an
/// eighth of this size.
pub const LEAST_BODY: ByteSize = ByteSize(128 << 20);

/// The longest time of a handshake that tests whether a program speaks a protocol.
const PROBE: Duration = Duration::from_secs(1);

/// The program under test.
#[non_exhaustive]
pub enum Tested {
    /// A client, which makes a transfer in one direction.
    Client {
        /// Its command line.
        command: CommandLine,
        /// The files that it uploads; `None` if its command line names none.
        bodies: Option<Bodies>,
        /// The direction of its transfer.
        direction: Direction,
    },
    /// A server.
    Server {
        /// Its process.
        source: Source,
        /// Its URLs.
        endpoints: Endpoints,
    },
    /// A proxy.
    Proxy {
        /// Its process, which may be unknown.
        source: Source,
        /// The URLs of longhaul's server through the proxy.
        endpoints: Endpoints,
        /// The port of loopback to which it passes requests on.
        upstream: u16,
    },
}

/// One case over one protocol and in one direction.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The case.
    pub case: &'static ConformCase,
    /// The protocol.
    pub protocol: &'static Protocol,
    /// The direction of the body.
    pub direction: Direction,
}

/// A suite for one program.
pub struct Suite {
    tested: Tested,
    options: Options,
    body: ByteSize,
    stall: Duration,
    /// The emulated network between longhaul and the program.
    network: Option<NetworkSpec>,
    digest: OnceCell<Option<Digest>>,
    base: OnceCell<Option<u64>>,
}

impl Suite {
    /// Makes a suite with large bodies of this size, and readers that stand still for `stall`. The timeout of `options` is
    /// the time without a byte after which a transfer counts as stalled.
    pub fn new(tested: Tested, options: Options, body: ByteSize, stall: Duration) -> Self {
        Self { tested, options, body, stall, network: None, digest: OnceCell::new(), base: OnceCell::new() }
    }

    /// Puts an emulated network between longhaul and the program, by a relay process. The executable that runs the
    /// suite must offer the relay (`network::relay`). The addresses in the options then have no effect.
    #[must_use]
    pub fn over(self, network: Option<NetworkSpec>) -> Self {
        Self { network, ..self }
    }

    /// Returns the role of the program.
    pub fn role(&self) -> Subject {
        match self.tested {
            Tested::Client { .. } => Subject::Client,
            Tested::Server { .. } => Subject::Server,
            Tested::Proxy { .. } => Subject::Proxy,
        }
    }

    /// Returns the bound of memory and of absorbed bytes.
    pub fn bound(&self) -> ByteSize {
        ByteSize(standstill_bound(self.body.0))
    }

    /// Returns the protocols of HTTP that the program speaks at its URL. A client is not asked: for a client, the
    /// result is HTTP/1.1 in cleartext.
    ///
    /// # Errors
    /// Fails if the program cannot be started, or speaks none.
    pub async fn protocols(&self) -> Result<Vec<&'static Protocol>, Fault> {
        let candidates = self.candidates();
        let (source, endpoints) = match &self.tested {
            Tested::Client { .. } => return Ok(candidates),
            Tested::Server { source, endpoints } | Tested::Proxy { source, endpoints, .. } => {
                (source, endpoints)
            }
        };
        let candidates: Vec<Case> = candidates.iter().map(|protocol| Case::new(protocol.name)).collect();
        let client = self.client(&self.options.clone().with_timeout(PROBE));
        let spoken = source.spoken(&candidates, endpoints, &client, self.options.timeout);
        let spoken = match self.behind_proxy() {
            // The URL of a sign may lead through the proxy.
            Some(stage) => tokio::select! {
                spoken = spoken => spoken?,
                () = beside(stage.serve()) => Vec::new(),
            },
            None => spoken.await?,
        };
        Ok(spoken.iter().filter_map(|case| Protocol::by_name(&case.protocol)).collect())
    }

    /// Listens behind a proxy. `None` for any other program, and if the port is not free, which each case reports.
    fn behind_proxy(&self) -> Option<Stage> {
        let Tested::Proxy { upstream, .. } = self.tested else { return None };
        Stage::behind_proxy((Ipv4Addr::LOCALHOST, upstream).into(), &self.options.limits, Act::Plain).ok()
    }

    /// Returns the protocols of HTTP that the URL of the program allows.
    pub fn candidates(&self) -> Vec<&'static Protocol> {
        let http = PROTOCOLS.iter().filter(|protocol| protocol.is_http());
        let fits = |protocol: &&Protocol| match &self.tested {
            Tested::Client { .. } => is_default(protocol),
            Tested::Server { endpoints, .. } | Tested::Proxy { endpoints, .. } => {
                endpoints.target(&Case::new(protocol.name), Some(1)).is_ok()
            }
        };
        http.filter(fits).collect()
    }

    /// Returns the outcome of a case that cannot run because of `fault`. `command` is the command line that runs the
    /// case alone, for the report.
    pub fn failed(&self, step: Step, fault: Fault, command: String) -> Trial {
        let seen = match step.case.actor(self.role(), step.direction, step.protocol) {
            Err(reason) => Trouble::not_applicable(reason),
            Ok(_) => fault.into(),
        };
        self.trial(step, Stamp::now(), (Err(seen), None), command)
    }

    /// Runs a case. `command` is the command line that runs the case alone, for the report.
    pub async fn run(&self, step: Step, command: String) -> Trial {
        let began = Stamp::now();
        let played = match step.case.actor(self.role(), step.direction, step.protocol) {
            Err(reason) => (Err(Trouble::not_applicable(reason)), None),
            Ok(actor) => self.play(step, actor).await,
        };
        self.trial(step, began, played, command)
    }

    /// Returns the outcome of a case that began at `began`, with its end and its figure.
    fn trial(
        &self,
        step: Step,
        began: Stamp,
        (seen, figure): (Seen, Option<TrialFigure>),
        command: String,
    ) -> Trial {
        let bound_bytes = self.bound().0;
        let (conduct, note) = conclude(seen, figure, bound_bytes);
        let figure = figure.filter(|_| conduct != Conduct::NotApplicable);
        Trial {
            case: step.case.name.into(),
            protocol: step.protocol.name.into(),
            direction: step.direction,
            conduct,
            figure,
            bound_bytes,
            elapsed_s: began.elapsed().as_secs_f64(),
            section: step.case.section(step.protocol).into(),
            note,
            command,
        }
    }

    fn client(&self, options: &Options) -> Client {
        Client::new(options.clone(), Build::default())
    }

    async fn play(&self, step: Step, actor: Actor) -> (Seen, Option<TrialFigure>) {
        match &self.tested {
            Tested::Client { command, bodies, direction } => {
                if step.direction != *direction {
                    let reason = "the command transfers in the other direction (--direction)";
                    return (Err(Trouble::not_applicable(reason)), None);
                }
                self.play_client(step, command, bodies.as_ref()).await
            }
            Tested::Server { source, endpoints } => self.play_listener(step, source, endpoints, None).await,
            Tested::Proxy { source, endpoints, upstream } => {
                let act =
                    if actor == Actor::Server { far::act(step.case.kind, self.stall) } else { Act::Plain };
                self.play_proxy(step, source, endpoints, *upstream, act).await
            }
        }
    }

    /// Runs a client, and compares its peak memory with that of a plain small transfer.
    async fn play_client(
        &self,
        step: Step,
        command: &CommandLine,
        bodies: Option<&Bodies>,
    ) -> (Seen, Option<TrialFigure>) {
        let kind = step.case.kind;
        let limits = far::limits(kind, step.protocol, &self.options.limits);
        let far = Far {
            command,
            bodies,
            protocol: step.protocol,
            direction: step.direction,
            body: self.body.0,
            patience: self.stall + self.options.timeout,
            limits: &limits,
            network: self.network,
        };
        let small = Far { body: SMALL_UPLOAD.0, ..far };
        let base = self.base.get_or_init(|| async { small.run(Act::Plain).await.ok()?.0.peak_rss_bytes });
        let base = *base.await;
        match far.run(far::act(kind, self.stall)).await {
            Err(trouble) => (Err(trouble), None),
            Ok((run, scene)) => {
                let growth = run.peak_rss_bytes.zip(base).map(|(peak, base)| peak.saturating_sub(base));
                (far.judge(kind, &run, &scene), growth.map(TrialFigure::Growth))
            }
        }
    }
}

/// The size of a plain transfer of a client. The growth of its memory counts from the peak of this transfer.
pub const SMALL_UPLOAD: ByteSize = ByteSize(1 << 20);

fn is_default(protocol: &Protocol) -> bool {
    !protocol.is_encrypted() && !protocol.has_streams()
}

/// Returns the conduct that follows from the end of a case, and from a figure and its bound.
fn conclude(seen: Seen, figure: Option<TrialFigure>, bound: u64) -> (Conduct, Option<String>) {
    let is_over = figure.is_some_and(|figure| figure.bytes() > bound);
    match seen {
        Err(trouble) if trouble.conduct == Conduct::Corrupted || !is_over => {
            (trouble.conduct, Some(trouble.note))
        }
        Err(trouble) => (Conduct::Growing, Some(trouble.note)),
        Ok(note) => (if is_over { Conduct::Growing } else { Conduct::Bounded }, note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_bound_is_growth_unless_a_body_is_corrupt() {
        let conduct = |seen: Seen, bytes| conclude(seen, Some(TrialFigure::Growth(bytes)), 100).0;
        assert_eq!(conduct(Ok(None), 100), Conduct::Bounded);
        assert_eq!(conduct(Ok(None), 101), Conduct::Growing);
        assert_eq!(conduct(Err(Trouble::died("x")), 101), Conduct::Growing);
        assert_eq!(conduct(Err(Trouble::died("x")), 1), Conduct::Died);
        assert_eq!(conduct(Err(Trouble::corrupted("x")), 101), Conduct::Corrupted);
        assert_eq!(conclude(Ok(Some("a".into())), None, 1), (Conduct::Bounded, Some("a".into())));
    }
}
