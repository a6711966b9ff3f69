//! The cipher suites of TLS 1.3.

use record::{CIPHER, Limits};
use rustls::{
    CipherSuite, SupportedCipherSuite,
    crypto::aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    },
};

use crate::{
    Error,
    settings::{FromLimits, choice},
};

/// A cipher suite of TLS 1.3, which TCP and QUIC share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// TLS_AES_128_GCM_SHA256
    Aes128,
    /// TLS_AES_256_GCM_SHA384
    Aes256,
    /// TLS_CHACHA20_POLY1305_SHA256
    ChaCha20,
}

impl FromLimits for Cipher {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        let known = [("aes128", Self::Aes128), ("aes256", Self::Aes256), ("chacha20", Self::ChaCha20)];
        choice(limits, &CIPHER, &known)
    }
}

impl Cipher {
    /// The suite in the type of rustls.
    pub(crate) fn suite(self) -> SupportedCipherSuite {
        match self {
            Self::Aes128 => TLS13_AES_128_GCM_SHA256,
            Self::Aes256 => TLS13_AES_256_GCM_SHA384,
            Self::ChaCha20 => TLS13_CHACHA20_POLY1305_SHA256,
        }
    }
}

/// The IANA name of a suite. rustls inserts a `13` into the names of TLS 1.3.
pub(crate) fn suite_name(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}
