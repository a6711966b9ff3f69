//! A sample of a process's resident memory.

/// Resident memory at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// All resident pages, including those of the executable, in bytes.
    pub rss_bytes: u64,
    /// Resident pages that no file backs (heap and stacks), in bytes.
    pub anon_bytes: u64,
}

#[cfg(all(test, any(target_os = "linux", target_os = "macos", windows)))]
mod tests {
    use crate::{MemoryReader, peak_rss_bytes};

    #[test]
    fn touched_memory_shows_as_anonymous_rss() {
        let _alone = crate::alone();
        let reader = MemoryReader::new().unwrap();
        let before = reader.read().unwrap();
        let block = vec![1_u8; 32 << 20];
        let after = reader.read().unwrap();
        let grown = after.anon_bytes - before.anon_bytes;
        assert!((31 << 20..48 << 20).contains(&grown), "32 MiB touched, {grown} B seen");
        assert!(peak_rss_bytes().unwrap() >= after.rss_bytes - (1 << 20));
        drop(block);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_exact_reading_counts_every_page() {
        let _alone = crate::alone();
        let reader = MemoryReader::new().unwrap();
        for pages in [1_u64, 7, 1000] {
            let before = reader.read_exact().unwrap();
            let block = std::hint::black_box(vec![1_u8; (256 << 10) + (pages << 12) as usize]);
            let grown = reader.read_exact().unwrap().anon_bytes.saturating_sub(before.anon_bytes);
            let most = block.len() as u64 + (64 << 10);
            assert!((block.len() as u64..most).contains(&grown), "{} touched, {grown} B seen", block.len());
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_outlives_the_memory_that_made_it() {
        let _alone = crate::alone();
        let reader = MemoryReader::new().unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let held = reader.read().unwrap();
        drop(block);
        assert!(peak_rss_bytes().unwrap() >= held.rss_bytes - (1 << 20));
        let released = reader.read().unwrap();
        assert!(released.rss_bytes < held.rss_bytes, "{held:?} {released:?}");
    }
}
