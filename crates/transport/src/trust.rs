//! Certificates: who a server is, and what makes a client believe it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::cipher_suite},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    version::TLS13,
};

use crate::{
    Cipher, Error,
    verifier::{Verifier, fingerprint},
};

/// A certificate, with those that lead to its root, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), pem: self.pem.clone(), key: self.key.clone_key() }
    }
}

impl Identity {
    /// A self-signed certificate for `names` (host names or IP addresses), which lives in memory only.
    ///
    /// # Errors
    /// A name cannot stand in a certificate.
    pub fn self_signed(names: &[&str]) -> Result<Self, Error> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(identity)?;
        Ok(Self {
            pem: made.cert.pem(),
            chain: vec![made.cert.der().clone()],
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
        })
    }

    /// A certificate chain and a private key from PEM files.
    ///
    /// # Errors
    /// A file cannot be read or holds nothing of the kind.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let named = |path: &Path, error: String| Error::Identity(format!("{}: {error}", path.display()));
        let pem = fs::read_to_string(certificate).map_err(|e| named(certificate, e.to_string()))?;
        let chain = certificates(&pem).map_err(|e| named(certificate, e))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|e| named(key, e.to_string()))?;
        Ok(Self { chain, pem, key })
    }

    /// The certificate as PEM, for a client to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The SHA-256 of the certificate's DER, which a client may pin.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.chain.first().map(fingerprint).unwrap_or_default()
    }

    pub(crate) fn server_config(
        &self,
        alpn: &[&str],
        cipher: Cipher,
        key_log: Option<&KeyLog>,
    ) -> Result<Arc<ServerConfig>, Error> {
        let mut config = ServerConfig::builder_with_provider(provider(cipher))
            .with_protocol_versions(&[&TLS13])
            .map_err(identity)?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(identity)?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        // Nothing resumes a session here, so tickets would only be bytes that no figure accounts for.
        config.send_tls13_tickets = 0;
        if let Some(key_log) = key_log {
            config.key_log = Arc::new(key_log.clone());
        }
        Ok(Arc::new(config))
    }
}

/// What makes a server's certificate acceptable.
#[derive(Clone, Debug)]
pub enum Trust {
    /// It is one of these, or is signed by one of these, and is for the name that was dialled.
    Certificates(Vec<CertificateDer<'static>>),
    /// It is signed by one of the system's roots, and is for the name that was dialled.
    SystemRoots,
    /// The SHA-256 of its DER is this, whatever its name and dates.
    Pin([u8; 32]),
    /// Nothing: whoever answers is believed.
    Anything,
}

impl Trust {
    /// Trust in the certificates of a PEM text.
    ///
    /// # Errors
    /// The text holds no certificate.
    pub fn pem(text: &str) -> Result<Self, Error> {
        certificates(text).map(Self::Certificates).map_err(Error::Identity)
    }

    pub(crate) fn client_config(
        &self,
        alpn: &str,
        cipher: Cipher,
        key_log: Option<&KeyLog>,
    ) -> Result<Arc<ClientConfig>, Error> {
        let provider = provider(cipher);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(identity)?;
        let builder = match self {
            Self::Certificates(roots) => builder.with_root_certificates(store(roots.iter().cloned())?),
            Self::SystemRoots => builder.with_root_certificates(system_roots()?),
            Self::Pin(pin) => {
                let verifier = Verifier::pinned(*pin, provider);
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            Self::Anything => {
                let verifier = Verifier::credulous(provider);
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        config.resumption = Resumption::disabled();
        if let Some(key_log) = key_log {
            config.key_log = Arc::new(key_log.clone());
        }
        Ok(Arc::new(config))
    }
}

/// A file of the secrets of connections, in the format of NSS that Wireshark reads.
#[derive(Clone, Debug)]
pub struct KeyLog(Arc<Mutex<File>>);

impl KeyLog {
    /// Opens the file to append to it; if it is new, only its owner may read it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }
}

impl rustls::KeyLog for KeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // A log that cannot be written must not end a connection.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err("there is no certificate in it".into()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

fn store(roots: impl Iterator<Item = CertificateDer<'static>>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root).map_err(identity)?;
    }
    Ok(store)
}

fn system_roots() -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(Error::Identity(
            "this system has no root certificates: name one by --cacert or --pin".into(),
        ));
    }
    Ok(store)
}

fn identity(error: impl std::error::Error) -> Error {
    Error::Identity(error.to_string())
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
