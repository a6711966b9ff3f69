//! Certificates: the identity of an end, and the trust of a client.

use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    CertificateError, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::{self, WebPkiServerVerifier, danger::ServerCertVerifier, verify_server_name},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
    server::ParsedCertificate,
    sign::CertifiedKey,
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
    /// Fails if a file cannot be read, or contains no certificate or no key. Also fails if the key is encrypted, or is not
    /// that of the first certificate.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let pem =
            fs::read_to_string(certificate).map_err(|error| InFile::error(certificate, error.into()))?;
        let chain = certificates(&pem).map_err(|error| InFile::error(certificate, error))?;
        let read = Self { chain, pem, key: private_key(key).map_err(|error| InFile::error(key, error))? };
        read.check(certificate, key)?;
        Ok(read)
    }

    /// Checks that the key is that of the certificate. The paths are those of both files.
    fn check(&self, certificate: &Path, key: &Path) -> Result<(), Error> {
        let provider = aws_lc_rs::default_provider();
        match CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Error::identity(format!("{} is not the key of {}", key.display(), certificate.display())))
            }
            Err(error @ rustls::Error::InvalidCertificate(_)) => {
                Err(InFile::error(certificate, error.into()))
            }
            Err(error) => Err(InFile::error(key, error.into())),
        }
    }

    /// Returns the times from which and until which the certificate is valid. `None` if they cannot be read.
    pub fn validity(&self) -> Option<RangeInclusive<SystemTime>> {
        let certificate = self.chain.first()?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(store(std::slice::from_ref(certificate)).ok()?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok()?;
        let name = ServerName::try_from("localhost").ok()?;
        // webpki states the dates in its errors only. It checks them before all else.
        let date = |now: Duration| {
            let now = UnixTime::since_unix_epoch(now);
            match verifier.verify_server_cert(certificate, &[], &name, &[], now) {
                Err(rustls::Error::InvalidCertificate(
                    CertificateError::ExpiredContext { not_after: date, .. }
                    | CertificateError::NotValidYetContext { not_before: date, .. },
                )) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(date.as_secs())),
                _ => None,
            }
        };
        Some(date(Duration::ZERO).unwrap_or(SystemTime::UNIX_EPOCH)..=date(Duration::MAX)?)
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

/// Reads a private key from a PEM file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BodyError> {
    let text = fs::read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        // In the older form, the header fields of an encrypted key stand before its Base64.
        pem::Error::NoItemsFound | pem::Error::Base64Decode(_) if is_encrypted(&text) => {
            "the private key is encrypted; decrypt it, as openssl pkey does".into()
        }
        pem::Error::NoItemsFound => "it contains no private key".into(),
        error => error.into(),
    })
}

/// Returns whether a PEM text states an encrypted key, in the form of PKCS #8 or in that of RFC 1421.
fn is_encrypted(pem: &[u8]) -> bool {
    const WORD: &[u8] = b"ENCRYPTED";
    pem.windows(WORD.len()).any(|part| part == WORD)
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    use super::*;

    /// Writes a certificate for localhost with its key, valid from 2020 to the year `last`. Returns the paths of both.
    fn files(folder: &TempDir, name: &str, last: i32) -> [PathBuf; 2] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(last, 1, 1));
        let key = KeyPair::generate().unwrap();
        let [certificate, path] = ["crt", "key"].map(|kind| folder.path().join(format!("{name}.{kind}")));
        fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&path, key.serialize_pem()).unwrap();
        [certificate, path]
    }

    #[test]
    fn the_validity_of_a_certificate_is_that_of_its_dates() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = files(&folder, "a", 2021);
        let validity = Identity::read(&certificate, &key).unwrap().validity().unwrap();
        let seconds = |time: &SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!([validity.start(), validity.end()].map(seconds), [1_577_836_800, 1_609_459_200]);
        let own = Identity::self_signed(&["localhost"]).unwrap().validity().unwrap();
        assert!(own.contains(&(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))), "{own:?}");
    }

    #[test]
    fn a_key_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, _] = files(&folder, "a", 2030);
        let [_, other] = files(&folder, "b", 2030);
        let error = Identity::read(&certificate, &other).unwrap_err().to_string();
        assert!(error.contains("b.key is not the key of ") && error.ends_with("a.crt"), "{error}");
        let key = folder.path().join("c.key");
        for (text, reason) in [
            ("", "it contains no private key"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "the private key is encrypted",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                 -----END RSA PRIVATE KEY-----\n",
                "the private key is encrypted",
            ),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", ""),
        ] {
            fs::write(&key, text).unwrap();
            let error = Identity::read(&certificate, &key).unwrap_err().to_string();
            assert!(error.contains(&format!("c.key: {reason}")), "{error}");
        }
    }
}
