//! The cipher suites of TLS.

use record::{CIPHER, Limits};
use rustls::{
    CipherSuite, SupportedCipherSuite,
    crypto::aws_lc_rs::{
        DEFAULT_CIPHER_SUITES,
        cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256},
    },
};

use crate::{
    Error, TlsVersion,
    settings::{FromLimits, choice_unless_auto},
};

/// The suites of TLS 1.3 that an end offers and accepts. TCP and QUIC share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ciphers {
    /// All suites; the handshake agrees on one of them.
    Any,
    /// A single suite, so that no other is measured.
    One(Cipher),
}

/// A cipher suite of TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// TLS_AES_128_GCM_SHA256
    Aes128,
    /// TLS_AES_256_GCM_SHA384
    Aes256,
    /// TLS_CHACHA20_POLY1305_SHA256
    ChaCha20,
}

impl FromLimits for Ciphers {
    fn from_limits(limits: &Limits) -> Result<Self, Error> {
        let known = [("aes128", Cipher::Aes128), ("aes256", Cipher::Aes256), ("chacha20", Cipher::ChaCha20)];
        Ok(choice_unless_auto(limits, &CIPHER, &known)?.map_or(Self::Any, Self::One))
    }
}

impl Ciphers {
    /// Returns the suites in the types of rustls, including those of TLS 1.2 if `oldest` admits that version.
    pub(crate) fn suites(self, oldest: TlsVersion) -> Vec<SupportedCipherSuite> {
        let is_tls13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        let mut suites = match self {
            Self::Any => DEFAULT_CIPHER_SUITES.iter().copied().filter(is_tls13).collect(),
            Self::One(cipher) => vec![cipher.suite()],
        };
        if oldest == TlsVersion::Tls12 {
            suites.extend(DEFAULT_CIPHER_SUITES.iter().copied().filter(|suite| !is_tls13(suite)));
        }
        suites
    }
}

impl Cipher {
    /// Returns the suite in the type of rustls.
    pub(crate) fn suite(self) -> SupportedCipherSuite {
        match self {
            Self::Aes128 => TLS13_AES_128_GCM_SHA256,
            Self::Aes256 => TLS13_AES_256_GCM_SHA384,
            Self::ChaCha20 => TLS13_CHACHA20_POLY1305_SHA256,
        }
    }
}

/// Returns the IANA name of a suite. rustls inserts a `13` into the names of TLS 1.3.
pub(crate) fn suite_name(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}
