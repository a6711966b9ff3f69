//! The end of a process with the one that started it.

/// Makes the kernel kill this process when the thread that started it ends. This works even if the process is stopped, and sees no
/// end of its standard input. Does nothing on systems other than Linux.
pub fn end_with_parent() {
    #[cfg(target_os = "linux")]
    // If the call fails, the process outlives its parent for as long as it does without the call.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
}
