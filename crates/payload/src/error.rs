//! The failure to read a payload.

use std::{io, path::PathBuf};

use record::{Fault, FaultKind};

/// The failure to read a payload to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The path leads to a folder.
    #[error("payload {} is a folder; name a file", path.display())]
    Folder {
        /// The path of the payload, as the user gave it.
        path: PathBuf,
    },
    /// The payload cannot be opened or read.
    #[error("cannot read payload {}: {source}", path.display())]
    Unreadable {
        /// The path of the payload, as the user gave it.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The payload can only be read from its start.
    #[error("payload {} cannot be read from its middle; use a file", path.display())]
    NoPositions {
        /// The path of the payload, as the user gave it.
        path: PathBuf,
    },
    /// The file ended before the requested size, or before the size that it had when the transfer began.
    #[error("payload {} shrank while it was sent, or has less than the {expected} bytes that were announced", path.display())]
    Shrank {
        /// The path of the payload, as the user gave it.
        path: PathBuf,
        /// The expected length in bytes: as requested, or as the file had it when the transfer began.
        expected: u64,
    },
}

impl From<PayloadError> for Fault {
    fn from(error: PayloadError) -> Self {
        Self::new(FaultKind::Payload, error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_fault_keeps_the_message_and_the_error_its_source() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = PayloadError::Unreadable { path: "/x".into(), source };
        assert!(error.source().is_some_and(|source| source.is::<io::Error>()));
        let fault = Fault::from(error);
        assert_eq!(fault.kind, FaultKind::Payload);
        assert_eq!(fault.message, "cannot read payload /x: permission denied");
    }
}
