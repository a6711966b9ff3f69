//! Certificates: the identity of an end, and the trust of a client.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::{self, danger::ServerCertVerifier, verify_server_name},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
    version::{TLS12, TLS13},
};

use crate::{
    BodyError, ClientAuthorities, Error, KeyLog, Resumption, TlsVersion,
    cipher::Ciphers,
    verifier::{Listed, Verifier, fingerprint},
};

/// The settings of TLS that clients and servers have in common.
#[derive(Clone, Copy)]
pub(crate) struct TlsSettings<'a> {
    /// The protocols to negotiate by ALPN.
    pub(crate) alpn: &'a [&'a str],
    pub(crate) ciphers: Ciphers,
    pub(crate) oldest: TlsVersion,
    /// The file for the secrets of connections.
    pub(crate) key_log: Option<&'a KeyLog>,
}

/// A certificate with the chain to its root, and its private key.
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
    /// Returns a self-signed certificate for `names` (host names or IP addresses), which exists in memory only.
    ///
    /// # Errors
    /// Fails if a name is invalid in a certificate.
    pub fn self_signed(names: &[&str]) -> Result<Self, Error> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(Error::identity)?;
        Ok(Self {
            pem: made.cert.pem(),
            chain: vec![made.cert.der().clone()],
            key: PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into(),
        })
    }

    /// Returns a certificate chain and a private key from PEM files.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or contains no certificate or no key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let pem =
            fs::read_to_string(certificate).map_err(|error| InFile::error(certificate, error.into()))?;
        let chain = certificates(&pem).map_err(|error| InFile::error(certificate, error))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| InFile::error(key, error.into()))?;
        Ok(Self { chain, pem, key })
    }

    /// Returns the certificate as PEM, for a client to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Returns the SHA-256 of the certificate's DER, for a client to pin.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.chain.first().map(fingerprint).unwrap_or_default()
    }

    /// Returns whether the certificate is valid for `name`, a host name or an IP address.
    pub fn is_valid_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let certificate = self.chain.first().and_then(|first| ParsedCertificate::try_from(first).ok());
        certificate.is_some_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }

    /// Returns the configuration of a server. `clients` are the authorities of the certificates that clients must
    /// present.
    pub(crate) fn server_config(
        &self,
        tls: TlsSettings<'_>,
        clients: Option<&ClientAuthorities>,
        resumption: Resumption,
    ) -> Result<Arc<ServerConfig>, Error> {
        let TlsSettings { alpn, ciphers, oldest, key_log } = tls;
        let provider = provider(ciphers, oldest);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions(oldest))
            .map_err(Error::identity)?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients.verifier(provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_single_cert(self.chain.clone(), self.key.clone_key()).map_err(Error::identity)?;
        config.alpn_protocols = identifiers(alpn);
        resumption.apply(&mut config);
        if let Some(key_log) = key_log {
            config.key_log = Arc::new(key_log.clone());
        }
        Ok(Arc::new(config))
    }
}

/// The certificates of servers that a client accepts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trust {
    /// A certificate for the dialled name that is in the list or signed by one in the list.
    Certificates(Vec<CertificateDer<'static>>),
    /// A certificate for the dialled name that is signed by a root of the system.
    SystemRoots,
    /// The certificate whose DER has this SHA-256, whatever its name and dates.
    Pin([u8; 32]),
    /// Any certificate (insecure).
    AnyCertificate,
}

impl Trust {
    /// Returns trust in the certificates of a PEM text.
    ///
    /// # Errors
    /// Fails if the text contains no certificate.
    pub fn pem(text: &str) -> Result<Self, Error> {
        certificates(text).map(Self::Certificates).map_err(Error::identity)
    }

    /// Returns the configuration of a client that resumes no session.
    pub(crate) fn client_config(
        &self,
        tls: TlsSettings<'_>,
        identity: Option<&Identity>,
    ) -> Result<ClientConfig, Error> {
        let TlsSettings { alpn, ciphers, oldest, key_log } = tls;
        let provider = provider(ciphers, oldest);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions(oldest))
            .map_err(Error::identity)?;
        let verify = |verifier: Arc<dyn ServerCertVerifier>| {
            builder.clone().dangerous().with_custom_certificate_verifier(verifier)
        };
        let builder = match self {
            Self::Certificates(listed) => verify(Arc::new(Listed::new(listed, store(listed)?, provider)?)),
            Self::SystemRoots => builder.with_root_certificates(system_roots()?),
            Self::Pin(pin) => verify(Arc::new(Verifier::pinned(*pin, provider))),
            Self::AnyCertificate => verify(Arc::new(Verifier::accept_any(provider))),
        };
        let mut config = match identity {
            Some(Identity { chain, key, .. }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(Error::identity)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = identifiers(alpn);
        config.resumption = client::Resumption::disabled();
        if let Some(key_log) = key_log {
            config.key_log = Arc::new(key_log.clone());
        }
        Ok(config)
    }
}

/// An error of a file, with its path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub(crate) struct InFile {
    path: PathBuf,
    source: BodyError,
}

impl InFile {
    /// Returns the error of a certificate or key that comes from a file.
    pub(crate) fn error(path: &Path, source: BodyError) -> Error {
        Error::identity(Self { path: path.into(), source })
    }
}

fn identifiers(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, BodyError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?;
    if found.is_empty() { Err("it contains no certificate".into()) } else { Ok(found) }
}

pub(crate) fn store(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(Error::identity)?;
    }
    Ok(store)
}

fn system_roots() -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(Error::identity("this system has no root certificates; use --cacert or --pin"));
    }
    Ok(store)
}

/// Returns the provider aws-lc-rs, reduced to the requested cipher suites. The provider is explicit, because rustls
/// chooses none if more than one is compiled in.
fn provider(ciphers: Ciphers, oldest: TlsVersion) -> Arc<CryptoProvider> {
    let cipher_suites = ciphers.suites(oldest);
    Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() })
}

fn versions(oldest: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match oldest {
        TlsVersion::Tls13 => &NEWEST,
        TlsVersion::Tls12 => &BOTH,
    }
}
