//! The flags that decide who may use `longhaul serve`.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use serve::{Access, AccessLog, HostName, Token};

use super::trust::warn_if_exposed;
use crate::{exit::Usage, log};

#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(crate) struct AccessArgs {
    /// File with the token that requests must carry: as Bearer, or as the password of Basic under any user name
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Accept requests from other machines without a token
    #[arg(long, conflicts_with = "token_file")]
    open: bool,
    /// Name of the server besides its addresses, localhost and the names in its certificate; * accepts any. Repeatable
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<HostName>,
    /// Origin whose web pages may use the server; * allows all. Repeatable
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Refuse downloads of saved files
    #[arg(long)]
    upload_only: bool,
    /// Write a line of JSON on stderr for each request
    #[arg(long)]
    access_log: bool,
    /// Refuse uploads that would replace a file
    #[arg(long)]
    no_overwrite: bool,
}

impl AccessArgs {
    /// Returns whether requests need no token.
    pub(crate) fn is_open(&self) -> bool {
        self.token_file.is_none()
    }

    /// Returns the file of the token, if requests need one.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Returns the log of requests, if the flag asks for one.
    ///
    /// # Errors
    /// Fails if no thread can be started to write the lines.
    pub(crate) fn log(&self) -> io::Result<Option<AccessLog>> {
        self.access_log.then(|| log::queue().map(AccessLog::over)).transpose()
    }

    /// Returns the rules of the server. Warns of secrets that others may read, including the private key of the
    /// certificate.
    ///
    /// # Errors
    /// Fails if the token cannot be read, or if an origin is invalid.
    pub(crate) fn access(&self, key: Option<&Path>) -> anyhow::Result<Access> {
        let mut access = Access::default();
        if let Some(path) = &self.token_file {
            access.token = Some(Token::read(path).map_err(Usage::new)?);
        }
        self.token_file.iter().map(PathBuf::as_path).chain(key).for_each(warn_if_exposed);
        access.open = self.open;
        access.hosts = self.hosts.clone();
        // The host name that the machine itself uses.
        let own = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        access.hosts.extend(own.and_then(|name| name.parse().ok()));
        for origin in &self.origins {
            access.origins.allow(origin).map_err(Usage::new)?;
        }
        (access.upload_only, access.no_overwrite) = (self.upload_only, self.no_overwrite);
        Ok(access)
    }
}
