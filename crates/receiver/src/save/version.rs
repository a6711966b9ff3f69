//! The version of a saved file.

use std::{fs::Metadata, os::unix::fs::MetadataExt as _};

/// The identity of the content of a file: device, inode, length, and the time of modification in nanoseconds. A newly
/// saved body has another inode, and a program that writes to the file changes the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileVersion {
    device: u64,
    inode: u64,
    length: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl FileVersion {
    /// Returns the version that `metadata` describes.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }

    /// Returns the complete identity of the version, in 40 bytes.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let numbers = [
            self.device.to_le_bytes(),
            self.inode.to_le_bytes(),
            self.length.to_le_bytes(),
            self.modified_s.to_le_bytes(),
            self.modified_ns.to_le_bytes(),
        ];
        bytes.iter_mut().zip(numbers.as_flattened()).for_each(|(byte, of_number)| *byte = *of_number);
        bytes
    }
}
