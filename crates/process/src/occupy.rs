//! Work that takes a known amount of processor time.

use std::{hint::spin_loop, time::Duration};

#[cfg(unix)]
use nix::time::{ClockId, clock_gettime};

/// Keeps the current thread busy until it has used `time` of its core. Returns the time used, which is some hundred
/// nanoseconds longer because of the last reading of the clock. Time in which other threads run on the core does not
/// count. Returns zero at once if the system has no processor clock per thread.
pub fn occupy(time: Duration) -> Duration {
    let Some(began) = used() else { return Duration::ZERO };
    loop {
        let spent = used().unwrap_or(began).saturating_sub(began);
        if spent >= time {
            return spent;
        }
        spin_loop();
    }
}

/// Returns the processor time of the current thread; `None` if the system has no clock for it.
#[cfg(unix)]
fn used() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(not(unix))]
fn used() -> Option<Duration> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{Resources, ThreadId};

    #[test]
    fn a_thread_is_busy_for_the_requested_time() {
        let _alone = crate::alone();
        let own = || ThreadId::own().unwrap().times().unwrap();
        let (before, of_thread) = (Resources::used().unwrap(), own());
        let spent: Duration = (0..10).map(|_| occupy(Duration::from_millis(5))).sum();
        let (used, of_thread) = (Resources::used().unwrap().since(before), own().since(of_thread).cpu);
        assert!(spent >= Duration::from_millis(50), "{spent:?}");
        // The threads of other tests are part of the process. The time of a thread alone lags behind by up to a tick.
        assert!(
            used.user + used.system >= spent && of_thread < 2 * spent,
            "{used:?} {of_thread:?} for {spent:?}"
        );
    }
}
