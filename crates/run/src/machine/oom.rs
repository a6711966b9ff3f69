//! The exit of child processes that the kernel kills because memory ran out.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use super::cgroup::{Cgroup, OomKills};

/// A watch for processes that the kernel kills because memory ran out.
#[derive(Debug)]
pub struct OomWatch {
    cgroup: Cgroup,
    before: OomKills,
}

impl OomWatch {
    /// Begins to watch the cgroup of this process and the machine.
    pub fn begin() -> Self {
        let cgroup = Cgroup::own();
        Self { before: OomKills::counted(&cgroup), cgroup }
    }

    /// Describes the exit of a child in words. The kernel counts an out-of-memory kill before it sends SIGKILL, so the
    /// count is never too late.
    pub fn describe(&self, status: ExitStatus) -> String {
        let has_killed = OomKills::counted(&self.cgroup).have_risen_since(self.before);
        describe_exit(status, has_killed)
    }
}

fn describe_exit(status: ExitStatus, ran_out_of_memory: bool) -> String {
    let killed = status.signal() == Some(nix::sys::signal::Signal::SIGKILL as i32);
    if killed && ran_out_of_memory { "killed: out of memory".into() } else { status.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_was_killed_while_memory_ran_out_is_reported_as_such() {
        let (killed, failed) = (ExitStatus::from_raw(9), ExitStatus::from_raw(1 << 8));
        assert_eq!(describe_exit(killed, true), "killed: out of memory");
        assert!(describe_exit(killed, false).contains("signal: 9"));
        assert!(describe_exit(failed, true).contains("exit status: 1"), "another process was killed");
    }
}
