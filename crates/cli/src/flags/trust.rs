//! The flags of the trust in a server, of the TLS version, and of connection secrets.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args};
use transport::{Identity, KeyLog, TlsVersion, Trust};

use crate::{exit::Usage, log, output::stderr_line};

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

/// The flags of a client about the certificate of the server.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("trust").args(["cacert", "pin", "insecure"]))]
pub(crate) struct TrustArgs {
    /// Trust the certificates in this PEM file, and those that they sign [default: the system's roots]
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Trust the certificate whose DER has this SHA-256, and no other
    #[arg(long, value_name = "sha256:HEX", value_parser = pin)]
    pin: Option<[u8; 32]>,
    /// Accept any server certificate (insecure)
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Certificate to present if the server asks for one, in PEM, with its chain
    #[arg(short = 'E', long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM and not encrypted [default: in the file of --cert]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsArgs,
}

impl TrustArgs {
    /// Returns the certificate to present to servers. Warns if others may read its key.
    ///
    /// # Errors
    /// Fails if a file cannot be used.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, Usage> {
        let Some(cert) = &self.cert else { return Ok(None) };
        let key = self.key.as_ref().unwrap_or(cert);
        let identity = Identity::read(cert, key).map_err(|error| Usage::new(format!("--cert: {error}")))?;
        warn_if_exposed(key);
        Ok(Some(identity))
    }

    /// Returns the oldest version of TLS that is accepted.
    pub(crate) fn oldest(&self) -> TlsVersion {
        self.tls.oldest()
    }

    /// Returns whether any flag is given.
    pub(crate) fn is_given(&self) -> bool {
        self.cacert.is_some() || self.pin.is_some() || self.insecure || self.cert.is_some() || self.tls.tls12
    }

    /// Returns the trust in the server. Warns if any certificate is trusted.
    pub(crate) fn trust(&self) -> Result<Trust, Usage> {
        if self.insecure {
            stderr_line(format_args!(
                "WARNING: --insecure accepts any certificate: an attacker can read and change everything"
            ));
            return Ok(Trust::AnyCertificate);
        }
        match (&self.cacert, self.pin) {
            (Some(path), _) => {
                let unusable = |error: String| Usage::new(format!("--cacert {}: {error}", path.display()));
                let pem = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
                Trust::pem(&pem).map_err(|error| unusable(error.to_string()))
            }
            (None, Some(pin)) => Ok(Trust::Pin(pin)),
            (None, None) => Ok(Trust::SystemRoots),
        }
    }
}

/// Warns of a secret that others may read.
pub(crate) fn warn_if_exposed(path: &Path) {
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode()).unwrap_or_default();
    if let Some(readers) = other_readers(mode) {
        let (path, mode) = (path.display(), mode & 0o777);
        log::warning(&format!("{path} has mode {mode:o}: {readers} can read this secret; use chmod 600"));
    }
}

/// Returns who may read a file of this mode besides its owner.
fn other_readers(mode: u32) -> Option<&'static str> {
    match (mode & 0o004, mode & 0o040) {
        (0, 0) => None,
        (0, _) => Some("the users of its group"),
        (_, _) => Some("other users"),
    }
}

fn pin(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    let byte = |at: usize| digits.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    let bytes = bytes.filter(|_| digits.len() == 64).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "use sha256: and 64 hexadecimal digits".into())
}

#[derive(Debug, Clone, Args)]
pub(crate) struct KeyLogArgs {
    /// File to append the secrets of the connections to [env: SSLKEYLOGFILE]
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
}

impl KeyLogArgs {
    /// Returns whether the flag is given.
    pub(crate) fn is_given(&self) -> bool {
        self.keylog.is_some()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_exposed_to_its_group_or_to_all() {
        let readers = [0o600, 0o400, 0o440, 0o640, 0o604, 0o644].map(other_readers);
        let [group, all] = [Some("the users of its group"), Some("other users")];
        assert_eq!(readers, [None, None, group, group, all, all]);
    }

    #[test]
    fn a_pin_is_a_whole_sha_256() {
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert_eq!(pin(&format!("sha256:{digits}")).map(|pin| pin[1]), Ok(0x23));
        for text in ["", "sha256:", &digits, &format!("sha256:{digits}0"), "sha256:xyz", "sha256:ää"] {
            assert!(pin(text).is_err(), "{text}");
        }
    }
}
