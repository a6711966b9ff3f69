//! The verification of a plan: bodies over an emulated path, with the windows that the plan names.

use std::time::Duration;

use analyse::Verdict;
use anyhow::{Context as _, anyhow};
use record::{
    ByteSize, Case, ChunkSize, LimitValue, Limits, NetworkSpec, Profile, Protocol, SOCKET_BUFFER, SinkKind,
    mib_per_s,
};
use run::{
    Executor as _, ProcessExecutor, Settings, Unobserved,
    path_plan::{DATA_FRAME, Path, ProtocolPlan, Setting},
};

use crate::output::print;

/// The runs of each protocol, whose median counts.
const RUNS: usize = 3;

/// The seconds that a body takes at the planned goodput: long enough that the opening of windows does not count.
const BODY_S: f64 = 5.0;

/// The largest difference between a median and the plan, as a share of the plan.
const TOLERANCE: f64 = 0.1;

/// The time without progress after which a run fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a body of each protocol over the path, and prints goodput beside the plan's.
pub(super) fn verify(plans: &[ProtocolPlan], network: NetworkSpec, path: Path) -> anyhow::Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let executor = ProcessExecutor::of_this_program(Settings::new(TIMEOUT));
    let executor = executor.context("cannot find this program's own file")?;
    let mut verdict = Verdict::Good;
    print(&format!("\nMeasured over an emulated path, medians of {RUNS} runs of one body:\n"))?;
    for (plan, best) in plans.iter().filter_map(|plan| plan.best.as_ref().map(|best| (plan, best))) {
        let case = case(plan.protocol, best, network)?;
        let mut goodputs = Vec::new();
        for _ in 0..RUNS {
            let outcome = runtime.block_on(executor.run(&case, &mut Unobserved));
            if let Some(fault) = outcome.fault {
                return Err(anyhow!("{}: {}", case.key(), fault.message));
            }
            goodputs.extend(outcome.elapsed_s.map(|elapsed| case.body.0 as f64 / elapsed));
        }
        let measured = stats::median(&goodputs).unwrap_or_default();
        let (share, planned) = (measured / path.bytes_per_s(), best.goodput_bytes_per_s);
        let holds = (measured / planned - 1.0).abs() <= TOLERANCE;
        let judgement = if holds { "as planned" } else { "not as planned" };
        print(&format!(
            "{:<5} {:>8.1} MiB/s, {:>5.1} % of the path, planned {:>5.1} %: {judgement}\n",
            plan.protocol,
            mib_per_s(measured),
            100.0 * share,
            100.0 * best.share,
        ))?;
        if !holds {
            verdict = Verdict::Inconclusive;
        }
    }
    Ok(verdict)
}

/// Returns the case of one body with a setting. TCP ends at the relay, so the queue of the relay takes the place of the
/// socket's window.
fn case(protocol: &'static str, setting: &Setting, network: NetworkSpec) -> anyhow::Result<Case> {
    let mut case = Case::new(protocol);
    let profile = Profile::ALL.iter().find(|profile| profile.name() == setting.profile);
    case.limits = Limits::of(profile.copied().unwrap_or_default());
    for (flag, bytes) in &setting.limits {
        let limit = record::LIMITS.iter().find(|limit| limit.flag == *flag);
        if let Some(limit) = limit.filter(|limit| limit.flag != SOCKET_BUFFER.flag) {
            case.limits.set(limit, LimitValue::Bytes(*bytes))?;
        }
    }
    let is_by_socket = Protocol::by_name(protocol).is_some_and(|row| !row.has_streams());
    let queue = is_by_socket.then_some(ByteSize(setting.window_bytes));
    case.network = Some(NetworkSpec { queue, ..network });
    case.body = ByteSize((setting.goodput_bytes_per_s * BODY_S) as u64);
    case.sink = SinkKind::Discard;
    // A plan counts windows in frames of this size.
    case.chunk = ChunkSize::try_from(DATA_FRAME)?;
    Ok(case)
}
