//! What this binary is built of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A build, as records carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Build {
    /// longhaul's own version.
    pub(crate) version: String,
    /// The commit it was built from.
    pub(crate) commit: Option<String>,
    /// The Cargo profile: a debug build measures itself, not the protocols.
    pub(crate) profile: String,
    /// The allocator and its settings.
    pub(crate) allocator: String,
    /// The libraries that decide speed and memory.
    pub(crate) versions: BTreeMap<String, String>,
}

impl Build {
    /// This binary.
    pub(crate) fn this() -> Self {
        let versions = env!("LONGHAUL_VERSIONS").split(' ').filter_map(|entry| entry.split_once('='));
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("LONGHAUL_COMMIT").map(str::to_owned),
            profile: env!("LONGHAUL_PROFILE").into(),
            allocator: concat!("jemalloc (", env!("LONGHAUL_MALLOC_CONF"), ")").into(),
            versions: versions.map(|(name, version)| (name.into(), version.into())).collect(),
        }
    }

    /// Whether figures of this build mean anything.
    pub(crate) fn is_release(&self) -> bool {
        self.profile == "release"
    }
}
