//! The machine a record was made on.

use nix::sys::utsname::uname;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::Idle;

/// A machine. What could not be found out is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Host {
    /// Its name on the network.
    pub(crate) name: Option<String>,
    /// The operating system.
    pub(crate) os: String,
    /// The kernel's release.
    pub(crate) kernel: Option<String>,
    /// The processor's model.
    pub(crate) cpu: Option<String>,
    /// Cores that this process may use.
    pub(crate) cores: Option<u64>,
    /// Installed memory.
    pub(crate) memory_bytes: Option<u64>,
    /// How cores waited that had nothing to do; null where nobody saw to it, and in records of before 2026-11-23.
    #[serde(default)]
    pub(crate) idle: Option<Idle>,
}

impl Host {
    /// This machine.
    pub(crate) fn here() -> Self {
        let uname = uname().ok();
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let (cpu, memory_bytes) = hardware();
        Self {
            name: uname.as_ref().map(|uname| text(uname.nodename())),
            os: std::env::consts::OS.into(),
            kernel: uname.as_ref().map(|uname| text(uname.release())),
            cpu,
            cores: std::thread::available_parallelism().ok().map(|cores| cores.get() as u64),
            memory_bytes,
            idle: None,
        }
    }
}

/// The processor's model and the installed memory.
#[cfg(target_os = "linux")]
fn hardware() -> (Option<String>, Option<u64>) {
    use procfs::Current as _;
    let cpu = procfs::CpuInfo::current().ok().and_then(|cpu| cpu.model_name(0).map(str::to_owned));
    let memory = procfs::Meminfo::current().ok().map(|memory| memory.mem_total);
    (cpu, memory)
}

/// Not found out here.
#[cfg(not(target_os = "linux"))]
fn hardware() -> (Option<String>, Option<u64>) {
    (None, None)
}
