//! `longhaul plan`: windows that fill a path, and the memory that stalled readers then hold.

mod verify;

use std::fmt::Write as _;

use analyse::Verdict;
use record::{ByteSize, End, Protocol, SOCKET_BUFFER, gbit_per_s, mib};
use run::path_plan::{Demand, ProtocolPlan, Setting, SettingLine, plan, setting_lines};
use serde::Serialize;

use crate::{exit::Usage, flags::PlanArgs, output::print};

/// Runs `longhaul plan`.
pub(super) fn main(args: &PlanArgs) -> anyhow::Result<Verdict> {
    let demand = args.demand()?;
    let plans: Vec<ProtocolPlan> =
        args.protocols()?.into_iter().map(|protocol| plan(protocol, &demand)).collect();
    if plans.iter().all(|plan| plan.best.is_none()) {
        return Err(Usage::new(impossible(&demand, &plans)).into());
    }
    print(&if args.json { json(&demand, &plans)? } else { text(&demand, &plans) })?;
    match args.emulated() {
        None => Ok(Verdict::Good),
        Some(network) => verify::verify(&plans, network, demand.path),
    }
}

/// Returns the reason why no protocol has a setting within the memory.
fn impossible(demand: &Demand, plans: &[ProtocolPlan]) -> String {
    let least = plans.iter().min_by_key(|plan| plan.least_memory_bytes);
    let (least, of) = least.map_or((0, ""), |plan| (plan.least_memory_bytes, plan.protocol));
    format!(
        "--memory {}: {} stalled readers of {of} take at least {:.1} MiB; allow more memory or fewer --readers",
        demand.memory,
        demand.readers,
        mib(least)
    )
}

fn text(demand: &Demand, plans: &[ProtocolPlan]) -> String {
    let path = demand.path;
    let end = match demand.end {
        End::Receiver => "receives",
        End::Sender => "sends",
    };
    let mut text = format!(
        "Path: {:.3} Gbit/s with a round trip of {} ms has {:.2} MiB in flight.\n\
         Readers that may stand still: {}, in {:.0} MiB of the process that {end}.\n\n",
        gbit_per_s(path.bytes_per_s()),
        path.rtt().as_secs_f64() * 1e3,
        mib(path.in_flight()),
        demand.readers,
        mib(demand.memory.0),
    );
    let memory = format!("within {}", demand.memory);
    text += &format!(
        "{:<5} {:>12} {:>12} {:>7}  {memory:>15} {:>12} {:>7}\n",
        "", "fills: window", "then held", "share", "then held", "share"
    );
    for plan in plans {
        text += &row(plan);
    }
    text += "\nWindows in KiB; held by stalled readers in MiB, of process and kernel together;\nshare of the path's rate for one body.\n";
    for plan in plans {
        if let (Some(best), Some(protocol)) = (&plan.best, Protocol::by_name(plan.protocol)) {
            text += &lines(protocol, demand.end, best);
        }
    }
    text
}

fn row(plan: &ProtocolPlan) -> String {
    let cells = |setting: &Setting, width: usize| {
        let (window, held) = (setting.window_bytes >> 10, mib(setting.memory_bytes()));
        format!("{window:>width$} {held:>12.1} {:>5.1} %", 100.0 * setting.share)
    };
    let best = plan.best.as_ref().map_or_else(
        || format!("{:>15} takes at least {:.1} MiB", "none:", mib(plan.least_memory_bytes)),
        |best| cells(best, 15),
    );
    format!("{:<5} {}  {best}\n", plan.protocol, cells(&plan.full, 13))
}

/// Returns the flags and lines that set the windows or send buffers of a protocol.
fn lines(protocol: &'static Protocol, end: End, best: &Setting) -> String {
    let mut text = format!("\n{}\n  longhaul: --profile {}", protocol.name, best.profile);
    for (flag, bytes) in &best.limits {
        // Writing to a string never fails.
        let _ = write!(text, " --{flag} {}", ByteSize(*bytes));
    }
    text.push('\n');
    for SettingLine { of, line, source, .. } in of_setting(protocol, end, best) {
        let _ = writeln!(text, "  {of}: {line}\n      ({source})");
    }
    text
}

fn of_setting(protocol: &Protocol, end: End, setting: &Setting) -> Vec<SettingLine> {
    let socket = setting.limits.iter().find(|(flag, _)| *flag == SOCKET_BUFFER.flag);
    let socket = socket.map_or(setting.window_bytes, |(_, bytes)| *bytes);
    setting_lines(protocol, end, setting.window_bytes, socket)
}

fn json(demand: &Demand, plans: &[ProtocolPlan]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Plan<'a> {
        rate_bytes_per_s: f64,
        rtt_s: f64,
        in_flight_bytes: u64,
        readers: u32,
        memory_bytes: u64,
        end: End,
        protocols: Vec<OfProtocol<'a>>,
    }
    #[derive(Serialize)]
    struct OfProtocol<'a> {
        #[serde(flatten)]
        plan: &'a ProtocolPlan,
        lines: Vec<SettingLine>,
    }
    let protocols = plans.iter().map(|plan| {
        let protocol = Protocol::by_name(plan.protocol).zip(plan.best.as_ref());
        OfProtocol {
            plan,
            lines: protocol.map_or_else(Vec::new, |(protocol, best)| of_setting(protocol, demand.end, best)),
        }
    });
    let plan = Plan {
        rate_bytes_per_s: demand.path.bytes_per_s(),
        rtt_s: demand.path.rtt().as_secs_f64(),
        in_flight_bytes: demand.path.in_flight(),
        readers: demand.readers,
        memory_bytes: demand.memory.0,
        end: demand.end,
        protocols: protocols.collect(),
    };
    Ok(serde_json::to_string_pretty(&plan)? + "\n")
}
