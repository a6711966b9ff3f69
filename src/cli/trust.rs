//! The flags of connection secrets and of the TLS version.

use std::path::PathBuf;

use clap::Args;
use transport::{KeyLog, TlsVersion};

#[derive(Debug, Clone, Args)]
pub(crate) struct TlsArgs {
    /// Also allow TLS 1.2, for a peer without TLS 1.3
    #[arg(long)]
    tls12: bool,
}

impl TlsArgs {
    /// Returns the oldest version that is accepted.
    pub(crate) fn oldest(&self) -> TlsVersion {
        if self.tls12 { TlsVersion::Tls12 } else { TlsVersion::Tls13 }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KeyLogArgs {
    /// File to append the secrets of the connections to [env: SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
}

impl KeyLogArgs {
    /// Opens the file for secrets, if one is named.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub(crate) fn open(&self) -> anyhow::Result<Option<KeyLog>> {
        let environment = || std::env::var_os("SSLKEYLOGFILE").map(PathBuf::from);
        let Some(path) = self.keylog.clone().or_else(environment) else { return Ok(None) };
        KeyLog::open(&path)
            .map(Some)
            .map_err(|error| anyhow::anyhow!("cannot write secrets to {}: {error}", path.display()))
    }
}
