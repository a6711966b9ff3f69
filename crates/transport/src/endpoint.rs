//! The parameters of the two ends of a connection: the peer that a client dials, and the address that a server binds.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, ServerConfig};

use crate::{
    ClientAuthorities, Error, FramingObserver, Guards, Identity, KeyLog, Proxy, Resumption, Sessions, Spread,
    Trust, cipher::Ciphers, trust::TlsSettings,
};

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), for peers that know no other.
    Tls12,
    /// TLS 1.3 (RFC 8446). QUIC knows no other.
    #[default]
    Tls13,
}

/// The extensions of chunks (RFC 9112 section 7.1.1) that a body over HTTP/1.1 may have. They are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkExtensions {
    /// Up to 16 KiB in a body, the bound of hyper. This suffices for longhaul's own ends, which send none.
    #[default]
    Few,
    /// Any number in a body of any length, and trailers beyond the bounds of hyper, which are ignored as well.
    Any,
}

/// The server that a client dials, and the trust in it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// The address and port.
    pub addr: SocketAddr,
    /// The Unix socket that is dialled in place of the address; `None` dials the address. QUIC has no such socket.
    pub unix_socket: Option<PathBuf>,
    /// The HTTP proxy that listens at the address; `None` if the server itself does. QUIC has no such proxy.
    pub proxy: Option<Proxy>,
    /// The name that the certificate must be for: a host name or an IP address.
    pub name: String,
    /// The certificates that are accepted; unused in cleartext.
    pub trust: Trust,
    /// The certificate that the client presents if the server asks for one; `None` presents none.
    pub identity: Option<Identity>,
    /// The oldest version of TLS over TCP that is spoken.
    pub oldest_tls: TlsVersion,
    /// The extensions of chunks that bodies may have. With [`ChunkExtensions::Any`], the server may be any program: over
    /// HTTP/2, the connection is also not read while 256 DATA frames under 256 bytes wait to be read, unless
    /// `connection_window` is set.
    pub chunk_extensions: ChunkExtensions,
    /// HTTP/2: the receive window of the connection in bytes, if it is larger than that of a stream. With a larger
    /// window, a stream whose body is not read does not block the others.
    pub connection_window: Option<u32>,
    /// The file to which the secrets of the connection are written; `None` writes none.
    pub key_log: Option<KeyLog>,
    /// The sessions of TLS that the connection shares with others to the same peer; `None` makes each handshake a full one.
    pub sessions: Option<Sessions>,
    /// The counter of received pieces; `None` without observation of the framing.
    pub framing: Option<FramingObserver>,
    /// QUIC: the number of this connection among those to a longhaul server that spreads connections over threads. With
    /// numbers, each thread gets equally many connections; `None` leaves the thread to chance.
    pub ordinal: Option<u16>,
}

impl Peer {
    /// Returns a peer at `addr`, whose certificate must match `name` and `trust`.
    pub fn new(addr: SocketAddr, name: impl Into<String>, trust: Trust) -> Self {
        Self {
            addr,
            unix_socket: None,
            proxy: None,
            name: name.into(),
            trust,
            identity: None,
            oldest_tls: TlsVersion::default(),
            chunk_extensions: ChunkExtensions::default(),
            connection_window: None,
            key_log: None,
            sessions: None,
            framing: None,
            ordinal: None,
        }
    }

    /// QUIC: sets the number of the connection among those to a server that spreads them over threads.
    #[must_use]
    pub fn with_ordinal(self, ordinal: impl Into<Option<u16>>) -> Self {
        Self { ordinal: ordinal.into(), ..self }
    }

    /// Dials a Unix socket in place of the address; `None` dials the address.
    #[must_use]
    pub fn with_unix_socket(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { unix_socket: path.into(), ..self }
    }

    /// Declares the address to be that of an HTTP proxy; `None` declares it to be the server's.
    #[must_use]
    pub fn with_proxy(self, proxy: impl Into<Option<Proxy>>) -> Self {
        Self { proxy: proxy.into(), ..self }
    }

    /// Presents a certificate if the server asks for one; `None` presents none.
    #[must_use]
    pub fn with_identity(self, identity: impl Into<Option<Identity>>) -> Self {
        Self { identity: identity.into(), ..self }
    }

    /// Sets the receive window of a connection over HTTP/2; `None` makes it as large as that of a stream.
    #[must_use]
    pub fn with_connection_window(self, bytes: impl Into<Option<u32>>) -> Self {
        Self { connection_window: bytes.into(), ..self }
    }

    /// Sets the oldest version of TLS over TCP that is spoken.
    #[must_use]
    pub fn with_oldest_tls(self, oldest_tls: TlsVersion) -> Self {
        Self { oldest_tls, ..self }
    }

    /// Sets the extensions of chunks that bodies may have.
    #[must_use]
    pub fn with_chunk_extensions(self, chunk_extensions: ChunkExtensions) -> Self {
        Self { chunk_extensions, ..self }
    }

    /// Writes the secrets of the connection to a file.
    #[must_use]
    pub fn with_key_log(self, key_log: impl Into<Option<KeyLog>>) -> Self {
        Self { key_log: key_log.into(), ..self }
    }

    /// Shares sessions of TLS with other connections to the same peer; `None` makes each handshake a full one.
    #[must_use]
    pub fn with_sessions(self, sessions: impl Into<Option<Sessions>>) -> Self {
        Self { sessions: sessions.into(), ..self }
    }

    /// Counts the chunks, frames, records and datagrams that arrive; `None` counts none.
    #[must_use]
    pub fn with_framing(self, framing: impl Into<Option<FramingObserver>>) -> Self {
        Self { framing: framing.into(), ..self }
    }

    /// Returns the configuration of TLS.
    ///
    /// # Errors
    /// Fails if a certificate cannot be used.
    pub(crate) fn tls_config(
        &self,
        alpn: &[&str],
        ciphers: Ciphers,
        oldest: TlsVersion,
    ) -> Result<Arc<ClientConfig>, Error> {
        let tls = TlsSettings { alpn, ciphers, oldest, key_log: self.key_log.as_ref() };
        let make = || self.trust.client_config(tls, self.identity.as_ref());
        match &self.sessions {
            Some(sessions) => sessions.config(make),
            None => make().map(Arc::new),
        }
    }
}

/// The address that a server binds, its certificate, and its bounds on clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Bind {
    /// The address and port; port 0 picks a free one.
    pub addr: SocketAddr,
    /// The Unix socket that is listened on in place of the address; `None` listens on the address. QUIC has no such
    /// socket.
    pub unix_socket: Option<PathBuf>,
    /// The certificate to present; unused in cleartext.
    pub identity: Option<Identity>,
    /// The authorities of which each client must present a certificate, over TLS and QUIC; `None` asks for none.
    pub clients: Option<ClientAuthorities>,
    /// The bounds on what clients may send and hold open.
    pub guards: Guards,
    /// The oldest version of TLS over TCP that is spoken.
    pub oldest_tls: TlsVersion,
    /// The file to which the secrets of connections are written; `None` writes none.
    pub key_log: Option<KeyLog>,
    /// The permission to resume sessions of TLS.
    pub resumption: Resumption,
    /// The counter of received pieces on all connections; `None` without observation of the framing.
    pub framing: Option<FramingObserver>,
    /// The threads over which connections are spread; `None` leaves all of them to the thread that accepts them.
    pub spread: Option<Spread>,
}

impl Bind {
    /// Returns the parameters of a server at `addr`, without a certificate and with the default guards.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            unix_socket: None,
            identity: None,
            clients: None,
            guards: Guards::default(),
            oldest_tls: TlsVersion::default(),
            key_log: None,
            resumption: Resumption::default(),
            framing: None,
            spread: None,
        }
    }

    /// Spreads connections over threads; `None` leaves all of them to the thread that accepts them.
    #[must_use]
    pub fn with_spread(self, spread: impl Into<Option<Spread>>) -> Self {
        Self { spread: spread.into(), ..self }
    }

    /// Listens on a Unix socket in place of the address; `None` listens on the address.
    #[must_use]
    pub fn with_unix_socket(self, path: impl Into<Option<PathBuf>>) -> Self {
        Self { unix_socket: path.into(), ..self }
    }

    /// Presents a certificate.
    #[must_use]
    pub fn with_identity(self, identity: impl Into<Option<Identity>>) -> Self {
        Self { identity: identity.into(), ..self }
    }

    /// Sets the authorities of which each client must present a certificate; `None` asks for none.
    #[must_use]
    pub fn with_clients(self, clients: impl Into<Option<ClientAuthorities>>) -> Self {
        Self { clients: clients.into(), ..self }
    }

    /// Sets the bounds on clients.
    #[must_use]
    pub fn with_guards(self, guards: Guards) -> Self {
        Self { guards, ..self }
    }

    /// Sets the oldest version of TLS over TCP that is spoken.
    #[must_use]
    pub fn with_oldest_tls(self, oldest_tls: TlsVersion) -> Self {
        Self { oldest_tls, ..self }
    }

    /// Writes the secrets of connections to a file.
    #[must_use]
    pub fn with_key_log(self, key_log: impl Into<Option<KeyLog>>) -> Self {
        Self { key_log: key_log.into(), ..self }
    }

    /// Sets the permission to resume sessions of TLS.
    #[must_use]
    pub fn with_resumption(self, resumption: Resumption) -> Self {
        Self { resumption, ..self }
    }

    /// Counts the chunks, frames, records and datagrams that arrive on all connections; `None` counts none.
    #[must_use]
    pub fn with_framing(self, framing: impl Into<Option<FramingObserver>>) -> Self {
        Self { framing: framing.into(), ..self }
    }

    /// Returns the configuration of TLS.
    ///
    /// # Errors
    /// Fails if there is no certificate, which TLS and QUIC need, or if it cannot be used.
    pub(crate) fn tls_config(
        &self,
        alpn: &[&str],
        ciphers: Ciphers,
        oldest: TlsVersion,
    ) -> Result<Arc<ServerConfig>, Error> {
        let identity = self.identity.as_ref();
        let identity =
            identity.ok_or_else(|| Error::identity("TLS and QUIC need a certificate to present"))?;
        let tls = TlsSettings { alpn, ciphers, oldest, key_log: self.key_log.as_ref() };
        identity.server_config(tls, self.clients.as_ref(), self.resumption)
    }
}
