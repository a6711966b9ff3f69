//! The authorities that sign the certificates of a server's clients.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    crypto::CryptoProvider,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{
    Error,
    trust::{InFile, certificates, store},
};

/// The authorities of which every client must present a certificate, over TLS and QUIC.
#[derive(Clone, Debug)]
pub struct ClientAuthorities(Vec<CertificateDer<'static>>);

impl ClientAuthorities {
    /// Returns the authorities in a PEM file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or contains no certificate.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| InFile::error(path, error.into()))?;
        certificates(&text).map(Self).map_err(|error| InFile::error(path, error))
    }

    /// Returns the verifier of clients' certificates.
    ///
    /// # Errors
    /// Fails if a certificate in the list cannot be an authority.
    pub(crate) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let roots = Arc::new(store(&self.0)?);
        WebPkiClientVerifier::builder_with_provider(roots, provider).build().map_err(Error::identity)
    }
}
