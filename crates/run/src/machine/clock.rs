//! The diagnosis of the clock that all measurements read.

use metrics::Stamp;

use super::{Affects, Diagnosis, read};

/// The longest acceptable time of a clock reading, in nanoseconds. The clock is read about twice per chunk, and two
/// such readings take a hundredth of the time of a 64 KiB chunk at 3 GiB/s.
const SLOW_NS: f64 = 100.0;

/// The number of readings that are timed together.
const READINGS: u32 = 10_000;

pub(super) fn diagnosis() -> Diagnosis {
    let began = Stamp::now();
    for _ in 0..READINGS {
        std::hint::black_box(Stamp::now());
    }
    let ns = began.elapsed().as_secs_f64() * 1e9 / f64::from(READINGS);
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let seen = format!("{}, {ns:.0} ns per reading", source.as_deref().unwrap_or("unknown source"));
    if ns <= SLOW_NS {
        return Diagnosis::good("clock", seen);
    }
    let cost = "small chunks look slower than they are: the clock is read twice for each";
    let remedy = "boot with clocksource=tsc, or use a machine whose hypervisor offers kvm-clock";
    let said = format!("reading the clock takes {ns:.0} ns");
    Diagnosis::bad("clock", seen, cost, remedy).warning(
        Affects::All,
        said,
        "small chunks to look slower than they are",
    )
}
