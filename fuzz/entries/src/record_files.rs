//! The entry point for files of records, plain and compressed.

use std::{fs, io};

use record::RECORD_FILES;

/// The largest input that is unpacked, in bytes: a small file may hold a large one.
const LARGEST: usize = 4 << 10;

/// Reads a file of records. The first byte selects its compression.
pub fn record_files(data: &[u8]) {
    // A file that cannot be created says nothing about its content.
    let _ = read(data);
}

fn read(data: &[u8]) -> io::Result<()> {
    let Some((kind, content)) = data.split_first().filter(|_| data.len() <= LARGEST) else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let name = RECORD_FILES[usize::from(*kind) % RECORD_FILES.len()];
    fs::write(folder.path().join(name), content)?;
    match record::read_undamaged(folder.path()) {
        Ok(read) => assert!(!read.records.is_empty()),
        Err(error) => assert!(error.to_string().contains(name), "{error}"),
    }
    Ok(())
}
