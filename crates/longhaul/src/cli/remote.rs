//! The flags of `longhaul send` and `longhaul fetch`.

use std::{fs, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};
use payload::{ChunkSize, Kind};
use transport::Trust;

use super::{
    limits::LimitArgs,
    trust::KeyLogArgs,
    values::{Protocol, chunk, duration, rate},
};
use crate::{case::DEFAULT_SEED, exit::Usage, size::ByteSize};

/// What a client of any server is told.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("belief").args(["cacert", "pin", "insecure"]))]
pub(crate) struct RemoteArgs {
    /// http:// or https://, a host name or an address
    pub(crate) url: String,
    /// h1c or h2c for http, h1, h2 or h3 for https [default: h1c, h2]
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Option<Protocol>,
    /// How long the transfer may stand still
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Believe the certificates in this PEM file, and those they sign [default: the system's roots]
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Believe the certificate whose DER has this SHA-256, and no other
    #[arg(long, value_name = "sha256:HEX", value_parser = pin)]
    pin: Option<[u8; 32]>,
    /// Believe whoever answers
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    pub(crate) key_log: KeyLogArgs,
    /// Print the record on stdout and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

impl RemoteArgs {
    /// Whom to believe. Warns where that is everybody.
    ///
    /// # Errors
    /// The file cannot be read or holds no certificate.
    pub(crate) fn trust(&self) -> Result<Trust, Usage> {
        if self.insecure {
            eprintln!("WARNING: --insecure: whoever answers is believed, and may read and change everything");
            return Ok(Trust::Anything);
        }
        match (&self.cacert, self.pin) {
            (Some(path), _) => {
                let unusable = |error: String| Usage(format!("--cacert {}: {error}", path.display()));
                let pem = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
                Trust::pem(&pem).map_err(|error| unusable(error.to_string()))
            }
            (None, Some(pin)) => Ok(Trust::Pin(pin)),
            (None, None) => Ok(Trust::SystemRoots),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// What is sent: random, zero, file:PATH, or - for standard input
    #[arg(long, value_name = "KIND", default_value = "random")]
    pub(crate) payload: Kind,
    /// Size of a generated body [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<ByteSize>,
    /// Chunk size, from 1 B to 64 MiB
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = chunk)]
    pub(crate) chunk_size: ChunkSize,
    /// How fast the body is offered, in bytes per second [default: as fast as it can]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) limit_rate: Option<ByteSize>,
    /// Seed of a generated body
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// File to save the body in, or - for standard output [default: it is digested and let go]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How fast the body is taken, in bytes per second [default: as fast as it can]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) reader_rate: Option<ByteSize>,
}

fn pin(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    let byte = |at: usize| digits.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    let bytes = bytes.filter(|_| digits.len() == 64).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "it must be sha256: and 64 hexadecimal digits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_a_whole_sha_256() {
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert_eq!(pin(&format!("sha256:{digits}")).map(|pin| pin[1]), Ok(0x23));
        for text in ["", "sha256:", &digits, &format!("sha256:{digits}0"), "sha256:xyz", "sha256:ää"] {
            assert!(pin(text).is_err(), "{text}");
        }
    }
}
