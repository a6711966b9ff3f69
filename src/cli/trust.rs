//! The flag of connection secrets.

use std::path::PathBuf;

use clap::Args;
use transport::KeyLog;

#[derive(Debug, Clone, Args)]
pub(crate) struct KeyLogArgs {
    /// File to append the secrets of the connections to [env: SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
}

impl KeyLogArgs {
    /// Opens the file, if one is named.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn open(&self) -> anyhow::Result<Option<KeyLog>> {
        let environment = || std::env::var_os("SSLKEYLOGFILE").map(PathBuf::from);
        let Some(path) = self.keylog.clone().or_else(environment) else { return Ok(None) };
        KeyLog::open(&path)
            .map(Some)
            .map_err(|error| anyhow::anyhow!("cannot write secrets to {}: {error}", path.display()))
    }
}
