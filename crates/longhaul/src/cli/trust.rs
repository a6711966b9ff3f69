//! The flags of certificates and secrets.

use std::path::PathBuf;

use clap::Args;
use transport::KeyLog;

/// Where secrets are written.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyLogArgs {
    /// File that the connections' secrets are appended to [env: SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
}

impl KeyLogArgs {
    /// Opens the file, if one is asked for.
    pub(crate) fn key_log(&self) -> anyhow::Result<Option<KeyLog>> {
        let environment = || std::env::var_os("SSLKEYLOGFILE").map(PathBuf::from);
        let Some(path) = self.keylog.clone().or_else(environment) else { return Ok(None) };
        let opened = KeyLog::open(&path);
        opened
            .map(Some)
            .map_err(|error| anyhow::anyhow!("cannot write secrets to {}: {error}", path.display()))
    }
}
