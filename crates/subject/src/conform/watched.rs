//! Cases of programs that listen: a server, or a proxy with its origin. Their memory is sampled meanwhile.

use std::{
    cell::Cell,
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use analyse::TrialFigure;
use client::{Options, Target};
use record::{Case, Direction};
use tokio::time::sleep;

use super::{
    Step, Suite,
    cases::Kind,
    far,
    near::Near,
    path::Path,
    raw,
    script::SMALL,
    stage::{Act, Scene, Stage},
    trouble::{Seen, Trouble},
};
use crate::{
    Endpoints, Source, exchange::beside, processes::Processes, sampling::Sampling, service::Service,
};

/// The time in which the memory of a program is sampled before a case.
const BASELINE: Duration = Duration::from_millis(100);

impl Suite {
    /// Runs a case of a proxy whose origin behaves as `act` says.
    pub(super) async fn play_proxy(
        &self,
        step: Step,
        source: &Source,
        endpoints: &Endpoints,
        upstream: u16,
        act: Act,
    ) -> (Seen, Option<TrialFigure>) {
        let addr = (Ipv4Addr::LOCALHOST, upstream).into();
        if act == Act::Larger {
            let serving = async { drop(raw::serve(addr, SMALL, 2 * SMALL).await) };
            let scene = Arc::default();
            return tokio::select! {
                played = self.play_listener(step, source, endpoints, Some((&scene, act))) => played,
                () = beside(serving) => (Err(Trouble::stalled("the server has stopped")), None),
            };
        }
        let stage = match Stage::behind_proxy(addr, &self.options.limits, act) {
            Ok(stage) => stage,
            Err(fault) => return (Err(Trouble::not_applicable(fault.message)), None),
        };
        let scene = stage.scene();
        tokio::select! {
            played = self.play_listener(step, source, endpoints, Some((&scene, act))) => played,
            () = beside(stage.serve()) => (Err(Trouble::stalled("the server has stopped")), None),
        }
    }

    /// Runs a case of a server, or of a proxy in front of its origin.
    pub(super) async fn play_listener(
        &self,
        step: Step,
        source: &Source,
        endpoints: &Endpoints,
        origin: Option<(&Arc<Scene>, Act)>,
    ) -> (Seen, Option<TrialFigure>) {
        if step.direction == Direction::Down && !endpoints.gives_bodies() {
            return (Err(Trouble::not_applicable("no URL gives bodies (--download)")), None);
        }
        let mut case = Case::new(step.protocol.name);
        (case.direction, case.body) = (step.direction, self.body);
        let begun = source.begin(&case, endpoints, &self.client(&self.options), self.options.timeout).await;
        let (listening, target) = match begun {
            Ok(begun) => begun,
            Err(fault) => return (Err(fault.into()), None),
        };
        let (path, options) = match self.path(step, &target).await {
            Ok(found) => found,
            Err(trouble) => return (Err(trouble), None),
        };
        let client = self.client(&options);
        let near = Near {
            client: &client,
            endpoints,
            path: path.as_ref(),
            port: Some(target.port()),
            protocol: step.protocol,
            body: self.body.0,
            stall: self.stall,
            patience: self.options.timeout,
            needs_length: Cell::new(false),
            digest: Cell::new(None),
            moved: Arc::default(),
        };
        let (processes, name, moved) = (listening.processes(), listening.name(), near.moved.clone());
        let service = Service::expected(processes.as_ref(), &name, &target);
        let (mut seen, mut figure) = self.watched(step, near, processes.clone(), origin).await;
        if seen.is_ok()
            && let Err(fault) = service.check(moved.load(Relaxed))
        {
            (seen, figure) = (Err(Trouble::not_applicable(fault.message)), None);
        }
        match listening.end(&case, moved.load(Relaxed), seen.is_err()).await {
            Ok(None) => (seen, figure),
            Ok(Some(fault)) | Err(fault) => (Err(Trouble::died(fault.message)), figure),
        }
    }

    /// Returns the emulated path to a program, if there is one, and the options of a client that takes it.
    async fn path(&self, step: Step, target: &Target) -> Result<(Option<Path>, Options), Trouble> {
        let limits = far::limits(step.case.kind, step.protocol, &self.options.limits);
        let window = (step.case.kind == Kind::OneStreamStalled).then_some(far::ROOMY);
        let options = self.options.clone().with_limits(limits).with_connection_window(window);
        let Some(network) = self.network else { return Ok((None, options)) };
        let path = Path::to_target(target, step.protocol, network).await?;
        let options = options.with_addresses(path.addresses()?);
        Ok((Some(path), options))
    }

    /// Plays a case while the memory of the program is sampled.
    async fn watched(
        &self,
        step: Step,
        near: Near<'_>,
        processes: Option<Processes>,
        origin: Option<(&Arc<Scene>, Act)>,
    ) -> (Seen, Option<TrialFigure>) {
        // Only an origin that behaves plainly can answer a plain transfer.
        if origin.is_none_or(|(_, act)| act == Act::Plain)
            && let Err(trouble) = near.warm_up(step.direction).await
        {
            let note = format!("a plain small transfer fails: {}", trouble.note);
            return (Err(Trouble::not_applicable(note)), None);
        }
        let sampling = processes.clone().map(|processes| {
            processes.tree().restart_peak();
            Sampling::start(processes)
        });
        if sampling.is_some() {
            sleep(BASELINE).await;
        }
        sampling.iter().for_each(Sampling::begin);
        let mut absorbed = None;
        let seen = match origin {
            Some((scene, act)) => {
                let measuring =
                    async { absorbed = absorbed_bytes(&near, scene, act, step, self.stall).await };
                tokio::select! {
                    seen = self.enact(step, &near, act) => seen,
                    () = beside(measuring) => Ok(None),
                }
            }
            None => near.play(step.case.kind, step.direction).await,
        };
        let memory = sampling.zip(processes).map(|(sampling, processes)| {
            processes.sample();
            sampling.finish().record(&processes, 0).memory
        });
        let growth = memory.and_then(|memory| memory.peak_rss_bytes?.checked_sub(memory.baseline_rss_bytes?));
        let figure = growth.map(TrialFigure::Growth).or(absorbed.map(TrialFigure::Absorbed));
        match (seen, figure) {
            (Ok(_), None) => {
                let note = "its memory is unknown: name its process (--watch) or its command";
                (Err(Trouble::not_applicable(note)), None)
            }
            (Ok(note), figure) => (self.is_same_body(&near).await.map(|()| note), figure),
            (trouble, figure) => (trouble, figure),
        }
    }

    /// Compares a large body that was read to its end with the body that a fast reader gets, if two fast readers get
    /// the same.
    async fn is_same_body(&self, near: &Near<'_>) -> Result<(), Trouble> {
        let Some(read) = near.digest.get() else { return Ok(()) };
        match self.digest.get_or_init(|| near.reference()).await {
            Some(digest) if *digest != read => {
                Err(Trouble::corrupted("other bytes came than for a fast reader"))
            }
            _ => Ok(()),
        }
    }

    /// Acts out a case through a proxy: in longhaul's client, or in its server while the client makes a plain transfer.
    async fn enact(&self, step: Step, near: &Near<'_>, act: Act) -> Seen {
        if act == Act::Plain {
            return near.play(step.case.kind, step.direction).await;
        }
        near.plain(step.direction, act).await
    }
}

/// Returns the bytes that a proxy has absorbed when its reader has stood still for a while. `None` for all cases but
/// that of the stalled reader.
async fn absorbed_bytes(
    near: &Near<'_>,
    scene: &Scene,
    act: Act,
    step: Step,
    stall: Duration,
) -> Option<u64> {
    if step.case.kind != Kind::StalledReader {
        return None;
    }
    let read = || match act {
        Act::Plain => (scene.given.load(Relaxed), near.moved.load(Relaxed)),
        _ => (near.moved.load(Relaxed), scene.received.load(Relaxed)),
    };
    while read().1 == 0 {
        sleep(BASELINE).await;
    }
    sleep(stall.mul_f64(0.8)).await;
    let (sent, delivered) = read();
    Some(sent.saturating_sub(delivered))
}
