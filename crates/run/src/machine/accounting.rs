//! The lag of the kernel's own figures of resident memory.

use super::Diagnosis;

/// The pages that each core may count before it adds them to the counter of a process, on up to 16 cores
/// (`percpu_counter_batch`, lib/percpu_counter.c). With more cores, the number is twice the number of cores. Applies
/// since Linux 6.2.
const BATCH: u64 = 32;

/// The pages that each thread may count before it adds them to the counter of its process (TASK_RSS_EVENTS_THRESH,
/// mm/memory.c). Applies before Linux 6.2.
const THREAD: u64 = 64;

/// Diagnoses the lag of VmHWM, the kernel's figure of peak RSS. `None` if the kernel version or the number of cores is
/// unknown.
#[cfg(target_os = "linux")]
pub(super) fn diagnosis() -> Option<Diagnosis> {
    use nix::unistd::{SysconfVar, sysconf};
    let kernel = procfs::KernelVersion::current().ok()?;
    let cores = u64::try_from(sysconf(SysconfVar::_NPROCESSORS_ONLN).ok()??).ok()?;
    Some(Diagnosis::good("peak RSS", described((kernel.major, kernel.minor), cores, procfs::page_size())))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn diagnosis() -> Option<Diagnosis> {
    None
}

fn described((major, minor): (u8, u8), cores: u64, page: u64) -> String {
    let (pages, whose) =
        if (major, minor) >= (6, 2) { (BATCH.max(2 * cores), "core") } else { (THREAD, "thread") };
    format!(
        "VmHWM may lag behind by {pages} pages ({} KiB) for each {whose} of an end (Linux {major}.{minor}); a higher sample \
         counts, and the first and the last are exact",
        (pages * page) >> 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_that_of_the_kernel_and_the_number_of_cores() {
        assert!(
            described((6, 18), 2, 4096)
                .contains("by 32 pages (128 KiB) for each core of an end (Linux 6.18)")
        );
        assert!(described((6, 2), 128, 4096).contains("by 256 pages (1024 KiB) for each core"));
        assert!(
            described((5, 15), 128, 4096)
                .contains("by 64 pages (256 KiB) for each thread of an end (Linux 5.15)")
        );
    }
}
