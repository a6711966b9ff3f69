//! The distance between the cores of the two ends, measured as the round-trip time of a cache line.
//!
//! Cores that share a cache exchange a line in tens of nanoseconds, others in hundreds, and a body of gigabytes has
//! many lines. A hypervisor may move the cores of a virtual machine between two runs. Inside the machine, only this
//! measurement shows it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use metrics::Stamp;
use record::CoreRoundTrip;

use super::{Affects, Cores, Diagnosis, bind};

/// The number of round trips that are timed together. They take 70 µs if the cores share no cache.
const TRIPS: u32 = 200;

/// The number of measurements, of which the fastest counts, because an interrupt only adds time.
const MEASUREMENTS: u32 = 8;

/// The time limit of all measurements. A core that has not answered by then is assumed to run another process.
const PATIENCE: Duration = Duration::from_millis(20);

/// Returns the round-trip time of a cache line between two cores. `None` if both are the same core, if this process may
/// not use one of them, or if one does not answer in time.
pub fn round_trip(Cores { sender, receiver }: Cores) -> Option<Duration> {
    if sender == receiver {
        return None;
    }
    let (line, done) = (Line(AtomicBool::new(false)), Line(AtomicBool::new(false)));
    let measure = || {
        let fastest = bind(sender).ok().and_then(|()| fastest(&line.0));
        done.0.store(true, Ordering::Relaxed);
        fastest
    };
    let echo = || {
        if bind(receiver).is_ok() {
            echo(&line.0, &done.0);
        }
    };
    thread::scope(|scope| {
        let measuring = thread::Builder::new().spawn_scoped(scope, measure).ok()?;
        // Without an echo, the measuring thread gives up after [`PATIENCE`].
        let _echoing = thread::Builder::new().spawn_scoped(scope, echo);
        measuring.join().ok().flatten()
    })
}

/// A flag that is alone in two cache lines, since processors fetch lines in pairs.
#[repr(align(128))]
struct Line(AtomicBool);

/// Returns the time of one round trip, from the fastest measurement. `None` if the other core does not answer in time.
fn fastest(line: &AtomicBool) -> Option<Duration> {
    let began = Stamp::now();
    // The first answer shows that the other thread runs, so that its start is not timed.
    ping(line, began)?;
    let measure = || {
        let start = Stamp::now();
        (0..TRIPS).try_for_each(|_| ping(line, began))?;
        Some(start.elapsed() / TRIPS)
    };
    (0..MEASUREMENTS).map(|_| measure()).try_fold(Duration::MAX, |least, time| Some(least.min(time?)))
}

/// Sends the line once, and waits until it is returned. `None` if it is not returned within [`PATIENCE`] of `began`.
fn ping(line: &AtomicBool, began: Stamp) -> Option<()> {
    /// The number of loads of the line between two readings of the clock.
    const LOADS: u32 = 10_000;
    line.store(true, Ordering::Release);
    loop {
        if (0..LOADS).any(|_| !line.load(Ordering::Acquire)) {
            return Some(());
        }
        if began.elapsed() > PATIENCE {
            return None;
        }
    }
}

fn echo(line: &AtomicBool, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        if line.load(Ordering::Acquire) {
            line.store(false, Ordering::Release);
        }
    }
}

/// Diagnoses the distance from measurements over the time `watch`. `None` if it cannot be measured.
pub(super) fn diagnosis(cores: Cores, watch: Duration) -> Option<Diagnosis> {
    /// The pause between two measurements, shorter than hypervisors were seen to keep cores in place.
    const PAUSE: Duration = Duration::from_millis(20);
    let began = Stamp::now();
    let mut seen = vec![round_trip(cores)?];
    while began.elapsed() < watch {
        thread::sleep(PAUSE);
        seen.extend(round_trip(cores));
    }
    Some(diagnose(*seen.iter().min()?, *seen.iter().max()?))
}

fn diagnose(least: Duration, most: Duration) -> Diagnosis {
    let name = CoreRoundTrip::CONDITION;
    let seen = format!("{} to {} ns there and back", least.as_nanos(), most.as_nanos());
    if most < CoreRoundTrip::FAR {
        return Diagnosis::good(name, seen);
    }
    if least < CoreRoundTrip::FAR {
        let cost = "the host moves the cores between caches: goodput halves and doubles from run to run";
        let remedy = "bench --settle 5s, more --rounds; on the host: cores of one cache (virsh vcpupin)";
        let said = format!("the host moves the cores of the two ends between caches ({seen})");
        let expect = "goodput that halves and doubles from run to run";
        return Diagnosis::bad(name, seen, cost, remedy).warning(Affects::All, said, expect);
    }
    let cost = "the cores share no cache: about half the goodput";
    let remedy =
        "--affinity SENDER:RECEIVER with two of one L3 (lscpu --extended); on the host: virsh vcpupin";
    let said = format!("the cores of the two ends share no cache ({seen})");
    Diagnosis::bad(name, seen, cost, remedy).warning(Affects::All, said, "about half the goodput")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skipped::skip;

    #[test]
    fn a_round_trip_takes_some_time() {
        let Some(cores) = Cores::choose() else { return skip("this machine has a single core") };
        // A core that runs other tests may not answer at once.
        let time = (0..100).find_map(|_| round_trip(cores)).unwrap();
        assert!(time > Duration::from_nanos(1) && time < PATIENCE, "{time:?}");
    }

    #[test]
    fn cores_that_cannot_be_used_have_no_distance() {
        assert_eq!(round_trip(Cores { sender: 0, receiver: 0 }), None);
        assert_eq!(round_trip(Cores { sender: 0, receiver: 1 << 9 }), None);
    }

    #[test]
    fn cores_that_are_or_become_distant_are_a_problem() {
        let diagnosed = |least, most| diagnose(Duration::from_nanos(least), Duration::from_nanos(most));
        assert!(diagnosed(50, 90).problem.is_none());
        assert!(diagnosed(50, 340).problem.unwrap().cost.contains("from run to run"));
        assert!(diagnosed(320, 340).problem.unwrap().remedy.contains("--affinity"));
    }
}
