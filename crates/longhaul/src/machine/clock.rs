//! The clock that everything is measured by.

use metrics::Stamp;

use super::{Concerns, Finding, read};

/// The clock is read about twice a chunk; a reading over this takes a hundredth of a chunk of 64 KiB at
/// 3 GiB/s.
const SLOW_NS: f64 = 100.0;

/// How many readings one measurement of them takes.
const READINGS: u32 = 10_000;

pub(super) fn source() -> Finding {
    let began = Stamp::now();
    for _ in 0..READINGS {
        std::hint::black_box(Stamp::now());
    }
    let ns = began.elapsed().as_secs_f64() * 1e9 / f64::from(READINGS);
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let seen = format!("{}, {ns:.0} ns a reading", source.as_deref().unwrap_or("unknown source"));
    if ns <= SLOW_NS {
        return Finding::good("clock", seen);
    }
    let cost = "small chunks look slower than they are: the clock is read twice for each";
    let mend = "boot with clocksource=tsc, or use a machine whose hypervisor offers kvm-clock";
    Finding::bad("clock", seen, Concerns::All, cost, mend)
}
