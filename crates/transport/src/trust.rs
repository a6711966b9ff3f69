//! Certificates: who a server is, and what makes a client believe it.

use std::sync::Arc;

use rustls::{
    CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::cipher_suite},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    version::TLS13,
};

use crate::{Cipher, Error};

/// A certificate and its private key.
#[derive(Debug)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// A self-signed certificate for `names` (host names or IP addresses), which lives in memory only.
    ///
    /// # Errors
    /// A name cannot stand in a certificate.
    pub fn self_signed(names: &[&str]) -> Result<Self, Error> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made =
            rcgen::generate_simple_self_signed(names).map_err(|error| Error::Identity(error.to_string()))?;
        Ok(Self {
            pem: made.cert.pem(),
            certificate: made.cert.der().clone(),
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
        })
    }

    /// The certificate as PEM, for a client to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn server_config(&self, alpn: &[u8], cipher: Cipher) -> Result<Arc<ServerConfig>, Error> {
        let identity = |error: rustls::Error| Error::Identity(error.to_string());
        let mut config = ServerConfig::builder_with_provider(provider(cipher))
            .with_protocol_versions(&[&TLS13])
            .map_err(identity)?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .map_err(identity)?;
        config.alpn_protocols = vec![alpn.to_vec()];
        // Nothing resumes a session here, so tickets would only be bytes that no figure accounts for.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// What makes a server's certificate acceptable.
#[derive(Clone, Debug)]
pub enum Trust {
    /// It is this one, or is signed by this one, and is for the name that was dialled.
    Certificate(CertificateDer<'static>),
}

impl Trust {
    /// Trust in the first certificate of a PEM text.
    ///
    /// # Errors
    /// The text holds no certificate.
    pub fn pem(text: &str) -> Result<Self, Error> {
        CertificateDer::from_pem_slice(text.as_bytes())
            .map(Self::Certificate)
            .map_err(|error| Error::Identity(error.to_string()))
    }

    pub(crate) fn client_config(&self, alpn: &[u8], cipher: Cipher) -> Result<Arc<ClientConfig>, Error> {
        let identity = |error: rustls::Error| Error::Identity(error.to_string());
        let Self::Certificate(certificate) = self;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(identity)?;
        let mut config = ClientConfig::builder_with_provider(provider(cipher))
            .with_protocol_versions(&[&TLS13])
            .map_err(identity)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// aws-lc-rs by name (with another provider compiled in too, rustls would refuse to choose), reduced to
/// one cipher, so that what was asked for is what is measured.
fn provider(cipher: Cipher) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: vec![suite(cipher)], ..aws_lc_rs::default_provider() })
}

/// The TLS 1.3 suite of a cipher.
pub(crate) fn suite(cipher: Cipher) -> SupportedCipherSuite {
    match cipher {
        Cipher::Aes128 => cipher_suite::TLS13_AES_128_GCM_SHA256,
        Cipher::Aes256 => cipher_suite::TLS13_AES_256_GCM_SHA384,
        Cipher::ChaCha20 => cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    }
}

/// The IANA name of a suite: rustls writes TLS 1.3's with a `13` of its own.
pub(crate) fn suite_name(suite: CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}
