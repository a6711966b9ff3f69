//! The signals that end a server, and SIGXFSZ, which must not end it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGXFSZ of Linux, which a write beyond the limit of a file's size (`ulimit -f`) raises.
const FILE_SIZE: i32 = nix::sys::signal::Signal::SIGXFSZ as i32;

/// The signals of a server, handled from their registration on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// SIGHUP; `None` under nohup(1), which ignores this signal for good.
    hangup: Option<Signal>,
    /// SIGXFSZ, which is handled so that the write fails with EFBIG. By default the signal ends the process.
    _file_size: Signal,
}

impl Signals {
    /// Handles the signals. Must be called within a tokio runtime.
    pub(super) fn register() -> io::Result<Self> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// Waits for SIGINT, SIGTERM or SIGHUP.
    pub(super) async fn end(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Returns whether SIGHUP is ignored: the lowest bit of SigIgn in proc_pid_status(5).
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
