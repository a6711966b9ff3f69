//! Ties between a process and its parent: a common end, and a new parent for orphans.

/// Makes the kernel kill this process when the thread that started it ends. This works even if the process is stopped,
/// and so cannot notice the end of its standard input. Does nothing on systems other than Linux.
pub fn end_with_parent() {
    #[cfg(target_os = "linux")]
    // If the call fails, the process outlives its parent until it notices the end of its standard input.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
}

/// Makes this process the parent of those of its descendants whose own parent ends: a subreaper (prctl(2)). It would not
/// find them otherwise. Does nothing on systems other than Linux.
pub fn keep_orphans() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}
