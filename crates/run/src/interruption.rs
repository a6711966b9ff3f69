//! The signals that end a program: sent by its user, its terminal or the system.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A handler of the signals that end a program: SIGINT (Ctrl-C), SIGTERM, and SIGHUP (the end of the terminal).
#[derive(Debug)]
pub struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    /// SIGHUP; `None` for a program that was started to outlive its terminal, as by nohup(1).
    hang_up: Option<Signal>,
}

impl Interruption {
    /// Catches the signals from now on, instead of their default action. Must be called within a tokio runtime.
    ///
    /// tokio never restores the default action. Once this value is dropped, the signals have no effect in this process,
    /// except on other handlers. A program that goes on after its runs needs a handler of its own, such as a further
    /// `Interruption`.
    ///
    /// # Errors
    /// Fails if the signals cannot be handled.
    pub fn catch() -> io::Result<Self> {
        let hang_up =
            if is_ignored(SignalKind::hangup()) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    /// Waits for the first of the signals. Cancel-safe.
    pub async fn wait(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Returns whether this process was started with a signal ignored (SigIgn in proc_pid_status(5)).
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status).is_some_and(|mask| (mask >> (signal.as_raw_value() - 1)) & 1 == 1)
}

fn ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_a_mask() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), Some(0x1001));
        assert_eq!(ignored(""), None);
    }
}
