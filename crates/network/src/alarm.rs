//! A timer with a finer resolution than tokio's, which is one millisecond, for exact delays of less than that.

use std::{io, time::Duration};

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::{
    io::read,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

/// A timer. On systems other than Linux it is tokio's, with a resolution of one millisecond.
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: AsyncFd<OwnedFd>,
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the runtime is told of a descriptor")]
impl Alarm {
    /// Returns a timer. Must be called in a runtime of tokio.
    ///
    /// # Errors
    /// Fails if the kernel gives the process no further descriptor.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the timer owns its descriptor, which stays open and the same for as long as it is registered.
        Ok(Self { timer: unsafe { AsyncFd::register(timer) }? })
    }

    /// Waits for `wait`. Cancel-safe.
    pub(crate) async fn after(&mut self, wait: Duration) {
        // A time of zero would disarm the timer.
        let wait = Timespec::try_from(wait.max(Duration::from_nanos(1)));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: wait.unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }),
        };
        // The arguments are valid, so the call cannot fail.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
        // Setting the timer has cleared an expiry that nobody waited for. But the runtime may still count the timer as
        // readable, so the read is repeated until it succeeds.
        while let Ok(mut ready) = self.timer.readable_mut().await {
            let mut ticks = [0; 8];
            match ready.try_io(|timer| read(timer.get_ref(), &mut ticks).map_err(io::Error::from)) {
                Ok(_) => return,
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Returns a timer.
    ///
    /// # Errors
    /// Never fails.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for `wait`. Cancel-safe.
    pub(crate) async fn after(&mut self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use process::Stamp;

    use super::*;

    #[tokio::test]
    async fn a_wait_is_never_shorter_even_after_an_earlier_one_was_given_up() {
        let mut alarm = Alarm::new().unwrap();
        for wait_ms in [0, 3, 1, 8] {
            let (wait, began) = (Duration::from_millis(wait_ms), Stamp::now());
            alarm.after(wait).await;
            assert!(began.elapsed() >= wait, "{wait_ms}");
            // The timer of a wait that is given up expires before the next wait begins.
            let mut given_up = Box::pin(alarm.after(Duration::from_millis(20)));
            assert!((&mut given_up).now_or_never().is_none());
            drop(given_up);
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}
