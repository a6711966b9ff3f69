//! The machine that runs the ends.

use nix::sys::utsname::uname;
use record::Host;

/// Describes this machine, except for the idle policy, which the session states.
pub fn this_host() -> Host {
    let uname = uname().ok();
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let mut host = Host::default();
    host.name = uname.as_ref().map(|uname| text(uname.nodename()));
    host.os = std::env::consts::OS.into();
    host.kernel = uname.as_ref().map(|uname| text(uname.release()));
    host.cores = std::thread::available_parallelism().ok().map(|cores| cores.get() as u64);
    (host.cpu, host.memory_bytes) = hardware();
    host
}

/// The processor's model and the installed memory.
#[cfg(target_os = "linux")]
fn hardware() -> (Option<String>, Option<u64>) {
    use procfs::Current as _;
    let cpu = procfs::CpuInfo::current().ok().and_then(|cpu| cpu.model_name(0).map(str::to_owned));
    let memory = procfs::Meminfo::current().ok().map(|memory| memory.mem_total);
    (cpu, memory)
}

/// Unknown on systems without `/proc`.
#[cfg(not(target_os = "linux"))]
fn hardware() -> (Option<String>, Option<u64>) {
    (None, None)
}
