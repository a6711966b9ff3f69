//! The size of the last-level cache, and of payloads that exceed the cache.

use std::path::Path;

use record::{ByteSize, PayloadKind};

use super::read;

/// The sysfs folder with the caches of the first core.
const CACHES: &str = "/sys/devices/system/cpu/cpu0/cache";

/// The size of the block of a `cold` payload, in multiples of the last-level cache. At this size, no part of the block
/// stays in the cache from one pass to the next. A block of the size of the cache would stay in part, since caches do
/// not always evict the least recently used line.
const TIMES: u64 = 4;

/// The size of the block if the kernel does not state the size of the cache.
const UNKNOWN: ByteSize = ByteSize(256 << 20);

/// Returns the size of the block of a `cold` payload on this machine.
pub fn cold_block() -> ByteSize {
    let cache = last_level_cache(Path::new(CACHES));
    cache.map_or(UNKNOWN, |cache| ByteSize(cache.saturating_mul(TIMES).min(PayloadKind::LARGEST_COLD)))
}

/// Returns the size in bytes of the cache of the highest level among those in a sysfs folder
/// (Documentation/ABI/testing/sysfs-devices-system-cpu).
fn last_level_cache(folder: &Path) -> Option<u64> {
    let text = |cache: &Path, file: &str| read(cache.join(file).to_str()?);
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let cache = |path: &Path| {
        let kib: u64 = text(path, "size")?.strip_suffix('K')?.parse().ok()?;
        Some((text(path, "level")?.parse::<u32>().ok()?, kib.checked_mul(1024)?))
    };
    let largest = entries.filter_map(|entry| cache(&entry.path())).max()?;
    (largest.1 > 0).then_some(largest.1)
}

/// Disables transparent huge pages for this process, so that a block takes the same number of page-table walks on every
/// machine.
///
/// # Errors
/// Fails if the kernel refuses.
pub fn refuse_huge_pages() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_thp_disable(true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_of_the_highest_level_counts() {
        let folder = tempfile::tempdir().unwrap();
        for (index, level, size) in
            [("index0", "1", "64K"), ("index2", "2", "98304K"), ("index3", "3", "32768K")]
        {
            let cache = folder.path().join(index);
            std::fs::create_dir(&cache).unwrap();
            std::fs::write(cache.join("level"), format!("{level}\n")).unwrap();
            std::fs::write(cache.join("size"), format!("{size}\n")).unwrap();
        }
        std::fs::create_dir(folder.path().join("power")).unwrap();
        assert_eq!(last_level_cache(folder.path()), Some(32 << 20));
        assert_eq!(last_level_cache(&folder.path().join("index0")), None);
    }

    #[test]
    fn a_block_of_any_machine_is_a_payload() {
        let block = cold_block();
        assert_eq!(PayloadKind::Cold(block).to_string().parse(), Ok(PayloadKind::Cold(block)));
    }
}
