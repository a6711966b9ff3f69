//! How far apart the cores of the two ends are: the time of one cache line there and back.
//!
//! Cores with a cache in common pass it on in tens of nanoseconds, others in hundreds, and a body of gigabytes is nothing but
//! such lines. A hypervisor may move a virtual machine's cores from the one case to the other between two runs, and nothing
//! inside of the machine tells but this.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use metrics::Stamp;

use super::{Concerns, Cores, Finding, bind};

/// From here on the cores have no cache in common: 45 to 95 ns and 300 to 360 were seen on a Zen 4, as within
/// a third-level cache and between two.
pub(crate) const FAR: Duration = Duration::from_nanos(200);

/// Trips there and back in one go: 70 µs of them where the cores are far apart.
const TRIPS: u32 = 200;

/// Of so many goes the fastest counts, as an interrupt only ever adds.
const GOES: u32 = 8;

/// A core that does not answer for so long is somebody else's.
const PATIENCE: Duration = Duration::from_millis(20);

/// The time of a cache line from the one core to the other and back. `None` if it is one core, or one that this process
/// may not use or that does not answer.
pub(crate) fn round_trip(Cores { sender, receiver }: Cores) -> Option<Duration> {
    if sender == receiver {
        return None;
    }
    let (ball, over) = (Line(AtomicBool::new(false)), Line(AtomicBool::new(false)));
    let serve = || {
        let goes = bind(sender).ok().and_then(|()| fastest(&ball.0));
        over.0.store(true, Ordering::Relaxed);
        goes
    };
    let answer = || {
        if bind(receiver).is_ok() {
            give_back(&ball.0, &over.0);
        }
    };
    thread::scope(|scope| {
        let serves = thread::Builder::new().spawn_scoped(scope, serve).ok()?;
        // Without it the other thread gives up by itself.
        let _answers = thread::Builder::new().spawn_scoped(scope, answer);
        serves.join().ok().flatten()
    })
}

/// Alone in its cache lines: processors fetch two at once.
#[repr(align(128))]
struct Line(AtomicBool);

/// The time of one trip in the fastest go.
fn fastest(ball: &AtomicBool) -> Option<Duration> {
    let began = Stamp::now();
    // The other thread is there once it has answered.
    serve(ball, began)?;
    let go = || {
        let start = Stamp::now();
        (0..TRIPS).try_for_each(|_| serve(ball, began))?;
        Some(start.elapsed() / TRIPS)
    };
    (0..GOES).map(|_| go()).try_fold(Duration::MAX, |least, go| Some(least.min(go?)))
}

/// Sends the line once and waits until it is back.
fn serve(ball: &AtomicBool, began: Stamp) -> Option<()> {
    /// How often to look before looking at the clock.
    const LOOKS: u32 = 10_000;
    ball.store(true, Ordering::Release);
    loop {
        if (0..LOOKS).any(|_| !ball.load(Ordering::Acquire)) {
            return Some(());
        }
        if began.elapsed() > PATIENCE {
            return None;
        }
    }
}

fn give_back(ball: &AtomicBool, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        if ball.load(Ordering::Acquire) {
            ball.store(false, Ordering::Release);
        }
    }
}

/// What is seen of it when one looks for `watch`. `None` where there is nothing to see.
pub(super) fn finding(cores: Cores, watch: Duration) -> Option<Finding> {
    /// How long a hypervisor leaves a core where it is, at the least.
    const PAUSE: Duration = Duration::from_millis(20);
    let began = Stamp::now();
    let mut seen = vec![round_trip(cores)?];
    while began.elapsed() < watch {
        thread::sleep(PAUSE);
        seen.extend(round_trip(cores));
    }
    Some(judged(*seen.iter().min()?, *seen.iter().max()?))
}

fn judged(least: Duration, most: Duration) -> Finding {
    let name = "between these cores";
    let seen = format!("{} to {} ns there and back", least.as_nanos(), most.as_nanos());
    if most < FAR {
        return Finding::good(name, seen);
    }
    if least < FAR {
        let cost = "the host moves them between caches: goodput halves and doubles from run to run";
        let mend = "bench --settle 5s, more --rounds; on the host: cores of one cache (virsh vcpupin)";
        return Finding::bad(name, seen, Concerns::All, cost, mend);
    }
    let cost = "they have no cache in common: about half the goodput";
    let mend = "--affinity SENDER:RECEIVER with two of one L3 (lscpu --extended); on the host: virsh vcpupin";
    Finding::bad(name, seen, Concerns::All, cost, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_some_time_there_and_back() {
        let Some(cores) = Cores::choose() else { return };
        // A core that is busy with other tests may not answer at once.
        let time = (0..100).find_map(|_| round_trip(cores)).unwrap();
        assert!(time > Duration::from_nanos(1) && time < PATIENCE, "{time:?}");
    }

    #[test]
    fn who_cannot_be_asked_has_no_distance() {
        assert_eq!(round_trip(Cores { sender: 0, receiver: 0 }), None);
        assert_eq!(round_trip(Cores { sender: 0, receiver: 1 << 9 }), None);
    }

    #[test]
    fn cores_that_are_or_come_far_apart_are_trouble() {
        let judged = |least, most| judged(Duration::from_nanos(least), Duration::from_nanos(most));
        assert!(judged(50, 90).trouble.is_none());
        assert!(judged(50, 340).trouble.unwrap().cost.contains("from run to run"));
        assert!(judged(320, 340).trouble.unwrap().mend.contains("--affinity"));
    }
}
