//! The redirects that a transfer followed.

use serde::{Deserialize, Serialize};

/// The redirects that a transfer followed before the measured exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Redirects {
    /// The number of redirects.
    pub count: u32,
    /// The URL to which the last redirect led, without secrets.
    pub url: String,
}
