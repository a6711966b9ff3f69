//! The reasons why an upload cannot begin.

use payload::PayloadError;
use record::PayloadKind;

/// The failure to begin an upload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The payload is a form, whose fields are unknown.
    #[error("a form has fields; use Upload::form")]
    NoForm,
    /// The payload cannot be used.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The length of a body cannot be announced.
    #[error("the length of payload {payload} cannot be announced, because it is unknown until its end")]
    UnknownSize {
        /// The payload that cannot be used.
        payload: PayloadKind,
    },
    /// The content of a resumable upload can be read only once.
    #[error(
        "payload {payload} cannot be read from its middle again, as a resumed upload needs it; use a file"
    )]
    NotRepeatable {
        /// The payload that cannot be used.
        payload: PayloadKind,
    },
    /// A size was given for a payload that determines its own size.
    #[error("payload {payload} has a size of its own; give no other size")]
    OwnSize {
        /// The payload that cannot be used.
        payload: PayloadKind,
    },
}
