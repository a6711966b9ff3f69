//! The resources of a process besides resident memory.

/// The amounts, at one moment, of resources whose leaks do not show in resident memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// The number of open file descriptors.
    pub descriptors: u64,
    /// The number of threads.
    pub threads: u64,
    /// Anonymous memory that was swapped out (VmSwap), in bytes.
    pub swap_bytes: u64,
    /// The memory of page tables (VmPTE), in bytes.
    pub page_table_bytes: u64,
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs::File, process::Command, sync::mpsc, thread};

    use crate::MemoryReader;

    #[test]
    fn open_files_and_threads_are_counted() {
        // Other tests in this process open files and end threads, so the counts are checked in a separate process.
        let name = "holdings::tests::counts_in_a_process_of_its_own";
        let output = Command::new("/proc/self/exe").args(["--exact", name, "--ignored"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    #[ignore = "the other test starts it in a process of its own"]
    fn counts_in_a_process_of_its_own() {
        let reader = MemoryReader::new().unwrap();
        let before = reader.holdings().unwrap();
        let files: Vec<_> = (0..3).map(|_| File::open("/dev/null").unwrap()).collect();
        let (hold, held) = mpsc::channel::<()>();
        let waiting = thread::spawn(move || held.recv().is_err());
        let during = reader.holdings().unwrap();
        assert_eq!(during.descriptors, before.descriptors + 3);
        assert!(during.threads > before.threads && during.page_table_bytes > 0);
        drop((files, hold));
        assert!(waiting.join().unwrap());
        assert_eq!(reader.holdings().unwrap().descriptors, before.descriptors);
    }
}
