//! The failure to receive a body.

use record::{Fault, FaultKind};

use crate::save::SaveError;

/// The failure to receive a whole body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The connection or the stream broke, or the peer gave up.
    #[error("the body broke off after {received} bytes: {source}")]
    Broken {
        /// The number of body bytes that had arrived.
        received: u64,
        /// The error of the transport.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The body ended properly, but does not have the expected length.
    #[error("the body ended after {received} bytes instead of {expected}")]
    Length {
        /// The number of body bytes that arrived.
        received: u64,
        /// The expected length, in bytes.
        expected: u64,
    },
    /// The body arrived, but could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl From<ReceiveError> for Fault {
    fn from(error: ReceiveError) -> Self {
        let kind = match error {
            ReceiveError::Broken { .. } | ReceiveError::Length { .. } => FaultKind::Truncated,
            ReceiveError::Save(_) => FaultKind::Save,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_body_that_is_cut_is_truncated_and_one_that_cannot_be_saved_is_a_fault_of_saving() {
        let broken = ReceiveError::Broken { received: 3, source: "reset".into() };
        assert_eq!(broken.source().map(ToString::to_string).as_deref(), Some("reset"));
        let short = ReceiveError::Length { received: 3, expected: 4 };
        for (error, kind, message) in [
            (broken, FaultKind::Truncated, "the body broke off after 3 bytes: reset"),
            (short, FaultKind::Truncated, "the body ended after 3 bytes instead of 4"),
            (SaveError::Full.into(), FaultKind::Save, "the disk is full"),
        ] {
            assert_eq!(Fault::from(error), Fault::new(kind, message));
        }
    }
}
