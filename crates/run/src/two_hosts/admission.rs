//! The admission of a run that another host demands. The demand is untrusted. It must stay within the cases that the
//! worker of a server's end supports, touch no file, and fit the memory of this machine.

use std::time::Duration;

use record::{Case, End, Fault, FaultKind, LIMITS, MAX_STREAMS, PayloadKind, Protocol, SinkKind, mib};

use super::wire::RunDemand;
use crate::{
    Budget, Settings, check_threads,
    machine::{CoreSets, available_memory},
    messages::{Job, Role},
};

/// The most connections of a run, as in `bench --connections`.
const CONNECTIONS: u32 = 480;

/// The longest path of the requests of a run, in bytes. Clients' hosts choose a slash and 32 hexadecimal digits.
const PATH: usize = 64;

/// The longest accepted time without progress.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest busy-polling time of a receiver, as in `bench --spin`.
const LONGEST_SPIN: Duration = Duration::from_secs(1);

/// An admitted run.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) job: Job,
    /// The cores of both ends; `None` without a binding. The job has those of its own end.
    pub(super) cores: Option<CoreSets>,
}

/// Returns the job of the server's end that another host demands. `settings` are those of this host.
///
/// # Errors
/// Fails if the demand is not acceptable here. The fault says what would be acceptable.
pub(super) fn admit(demand: &RunDemand, settings: Settings) -> Result<Admitted, Fault> {
    let case = demand.case().ok_or_else(|| {
        refused("the case has a field or a value that this version of longhaul does not know; use the same version on both hosts")
    })?;
    let end = case.direction.server();
    check_case(&case).map_err(|fault| fault.at(end))?;
    check_memory(&case, end, available_memory()).map_err(|fault| fault.at(end))?;
    if !is_path(&demand.path) {
        let reason = format!("the path of a run is a slash and at most {} letters and digits", PATH - 1);
        return Err(refused(reason).at(end));
    }
    let timeout = Duration::try_from_secs_f64(demand.timeout_s).ok();
    let timeout = timeout.filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST_TIMEOUT);
    let timeout = timeout.ok_or_else(|| {
        refused(format!("{} s is no timeout; use a time of at most a day", demand.timeout_s)).at(end)
    })?;
    let mut settings = Settings { timeout, ..settings };
    settings.observes_framing = demand.observes_framing;
    let mut job = Job::new(case, Role::Server, &demand.path, settings);
    let cores = demand.affinity.cores(job.case.threads);
    job.cores = cores.as_ref().map_or_else(Vec::new, |cores| cores.of_end(end).to_vec());
    Ok(Admitted { job, cores })
}

fn refused(reason: impl ToString) -> Fault {
    Fault::new(FaultKind::Worker, format!("refused the run: {}", reason.to_string()))
}

fn check_case(case: &Case) -> Result<(), Fault> {
    if Protocol::by_name(&case.protocol).is_none() {
        return Err(refused(format!("'{}' is not a protocol of this version", case.protocol)));
    }
    if !case.payload.is_generated() {
        return Err(refused(format!("--payload {}: use random, zero or cold", case.payload)));
    }
    if !matches!(case.sink, SinkKind::Discard | SinkKind::Verify) {
        return Err(refused(format!("--sink {}: use discard or verify", case.sink)));
    }
    if !(1..=CONNECTIONS).contains(&case.connections) {
        return Err(refused(format!("{} connections; use 1 to {CONNECTIONS}", case.connections)));
    }
    if case.threads == 0 || check_threads(case.threads, case.connections).is_err() {
        return Err(refused(format!("{} threads; use 1 to as many as there are connections", case.threads)));
    }
    if !(1..=MAX_STREAMS).contains(&case.streams) {
        return Err(refused(format!("{} streams; use 1 to {MAX_STREAMS}", case.streams)));
    }
    if case.spin.is_some_and(|spin| spin > LONGEST_SPIN) || case.reader_stall.is_some() {
        return Err(refused("a receiver busy-polls for at most 1 s, and never stands still"));
    }
    check_limits(case)
}

/// Checks each limit against its range, since a parsed case may have any values.
fn check_limits(case: &Case) -> Result<(), Fault> {
    for (flag, value) in case.limits.iter() {
        let limit = LIMITS.iter().find(|limit| limit.flag == flag);
        let limit = limit.ok_or_else(|| refused(format!("--{flag} is no limit of this version")))?;
        limit.check(value).map_err(refused)?;
    }
    Ok(())
}

/// Refuses an end whose budget exceeds the available memory. `check_limits` must have accepted the case, since the
/// budget follows from the limits.
fn check_memory(case: &Case, end: End, available: Option<u64>) -> Result<(), Fault> {
    let (budget, cold) = (Budget::of(case, end).bytes(), cold_bytes(case, end));
    let needed = budget.max(cold);
    match available {
        Some(available) if needed > available => Err(refused(format!(
            "the {end} may take {:.0} MiB, but {:.0} MiB of memory are available; lower --connections, --streams, \
             --chunk-size or a window",
            mib(needed),
            mib(available)
        ))),
        _ => Ok(()),
    }
}

/// Returns the size of the block of a cold payload, which only the sender has.
fn cold_bytes(case: &Case, end: End) -> u64 {
    match case.payload {
        PayloadKind::Cold(block) if end == End::Sender => block.0,
        _ => 0,
    }
}

fn is_path(path: &str) -> bool {
    let name = path.strip_prefix('/').unwrap_or_default();
    path.len() <= PATH && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use crate::Affinity;
    use record::{ByteSize, ChunkSize, H2_WINDOW, IdlePolicy, LimitValue};
    use serde_json::{Value, json};

    use super::*;

    fn demand(change: impl FnOnce(&mut Case)) -> RunDemand {
        let mut case = Case::new("h2");
        change(&mut case);
        RunDemand {
            case: serde_json::to_value(&case).unwrap(),
            path: "/0123456789abcdef".into(),
            timeout_s: 30.0,
            observes_framing: false,
            affinity: Affinity::Off,
            idle: IdlePolicy::Sleep,
        }
    }

    fn reason(demand: &RunDemand) -> String {
        admit(demand, Settings::new(Duration::from_secs(1))).unwrap_err().message
    }

    #[test]
    fn an_ordinary_run_is_admitted_with_the_settings_of_this_host() {
        let own = Settings::new(Duration::from_secs(1)).on_address("::1".parse().ok());
        let admitted = admit(&demand(|_| ()), own).unwrap();
        let settings = admitted.job.settings();
        assert_eq!((settings.timeout.as_secs(), settings.address), (30, "::1".parse().ok()));
        assert!(matches!(admitted.job.role, Role::Server) && admitted.cores.is_none());
        let down = admit(&demand(|case| case.direction = record::Direction::Down), own).unwrap();
        assert_eq!(down.job.end(), End::Sender);
    }

    #[test]
    fn no_file_of_this_host_is_read_or_written() {
        assert!(
            reason(&demand(|case| case.payload = PayloadKind::File("/etc/passwd".into())))
                .contains("--payload")
        );
        assert!(reason(&demand(|case| case.payload = PayloadKind::Stdin)).contains("--payload"));
        for sink in [SinkKind::Save("/tmp".into()), SinkKind::Collect, SinkKind::Keep(1), SinkKind::Burn(1)] {
            assert!(reason(&demand(|case| case.sink = sink)).contains("--sink"));
        }
    }

    #[test]
    fn numbers_beyond_those_of_the_flags_are_refused() {
        let cases: [fn(&mut Case); 7] = [
            |case| case.connections = 481,
            |case| case.connections = 0,
            |case| (case.connections, case.streams) = (u32::MAX, u32::MAX),
            |case| case.streams = MAX_STREAMS + 1,
            |case| case.spin = Some(Duration::from_secs(2)),
            |case| case.reader_stall = Some(Duration::from_secs(1)),
            |case| case.protocol = "h4".into(),
        ];
        for change in cases {
            assert!(reason(&demand(change)).starts_with("refused the run: "));
        }
        for timeout_s in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e6] {
            assert!(reason(&RunDemand { timeout_s, ..demand(|_| ()) }).contains("is no timeout"));
        }
        for path in ["", "/", "a", "/a/b", "/a b", "/ä", &format!("/{}", "a".repeat(64))] {
            assert!(
                reason(&RunDemand { path: path.into(), ..demand(|_| ()) }).contains("the path"),
                "{path}"
            );
        }
    }

    #[test]
    fn limits_out_of_range_and_unknown_ones_are_refused() {
        let with = |name: &str, value: Value| {
            let mut demand = demand(|_| ());
            demand.case["limits"][name] = value;
            demand
        };
        assert!(reason(&with(H2_WINDOW.flag, json!(u64::MAX))).contains("--h2-window"));
        assert!(reason(&with("warp", json!(9))).contains("--warp is no limit"));
    }

    #[test]
    fn an_axis_that_this_version_does_not_know_is_refused() {
        let mut demand = demand(|_| ());
        demand.case["an axis of later"] = json!(8);
        assert!(reason(&demand).contains("use the same version on both hosts"));
        let nonsense = RunDemand { case: json!([1]), ..demand };
        assert!(reason(&nonsense).contains("use the same version on both hosts"));
    }

    #[test]
    fn an_end_that_may_take_more_memory_than_there_is_is_refused() {
        let mut case = Case::new("h2");
        (case.connections, case.streams) = (CONNECTIONS, MAX_STREAMS);
        case.chunk = ChunkSize::try_from(64 << 20).unwrap();
        case.limits.set(&H2_WINDOW, LimitValue::Bytes(16 << 20)).unwrap();
        let fault = check_memory(&case, End::Receiver, Some(1 << 30)).unwrap_err();
        assert!(fault.message.contains("1024 MiB of memory are available"), "{}", fault.message);
        assert!(check_memory(&case, End::Receiver, None).is_ok());
        case = Case::new("tcp");
        case.payload = PayloadKind::Cold(ByteSize(4 << 30));
        assert!(check_memory(&case, End::Sender, Some(1 << 30)).is_err());
        assert!(check_memory(&case, End::Receiver, Some(1 << 30)).is_ok());
    }
}
