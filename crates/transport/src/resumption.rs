//! The resumption of TLS sessions (RFC 8446 section 2.2), so that a later handshake needs no certificates.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig, NamedGroup, ServerConfig,
    client::{
        self, ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
    },
    pki_types::ServerName,
    server::NoServerSessionStorage,
};
use tokio::sync::watch;

use crate::Error;

/// The sessions that the connections of a client share, so that a connection can resume the session of an earlier one.
/// All of these connections must have the same peer and the same limits.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<Store>,
    /// The configuration that all connections share, set by the first: rustls resumes a session only with the same
    /// verifier.
    config: Arc<Mutex<Option<Arc<ClientConfig>>>>,
    early_data: bool,
}

impl Sessions {
    /// Creates an empty store for the sessions of one server, of which rustls keeps up to 8.
    pub fn new() -> Self {
        let store = Store { cache: ClientSessionMemoryCache::new(1), received: watch::Sender::new(false) };
        Self { store: Arc::new(store), config: Arc::default(), early_data: false }
    }

    /// Lets the first request over HTTP/1.1 and HTTP/3 go out in early data of the handshake (RFC 8446 section 2.3), if
    /// the session allows it. Anybody who records the packets can replay that request, so it must be safe to repeat.
    #[must_use]
    pub fn with_early_data(self) -> Self {
        Self { early_data: true, ..self }
    }

    /// Returns whether requests may go out in early data.
    pub(crate) fn have_early_data(&self) -> bool {
        self.early_data
    }

    /// Waits until a server has given a session. Servers of TLS 1.3 give sessions after the handshake.
    pub async fn received(&self) {
        // The sender lives as long as `self`.
        let _ = self.store.received.subscribe().wait_for(|received| *received).await;
    }

    /// Returns the configuration that the connections share. The first call makes it by `make`.
    ///
    /// # Errors
    /// Fails if `make` does.
    pub(crate) fn config(
        &self,
        make: impl FnOnce() -> Result<ClientConfig, Error>,
    ) -> Result<Arc<ClientConfig>, Error> {
        let mut shared = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = shared.as_ref() {
            return Ok(config.clone());
        }
        let mut config = make()?;
        config.resumption = client::Resumption::store(self.store.clone());
        config.enable_early_data = self.early_data;
        Ok(shared.insert(Arc::new(config)).clone())
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// The store of rustls, which tells whether it has received a session.
#[derive(Debug)]
struct Store {
    cache: ClientSessionMemoryCache,
    received: watch::Sender<bool>,
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.cache.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.cache.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.cache.set_tls12_session(server, session);
        self.received.send_replace(true);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.cache.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.cache.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, session: Tls13ClientSessionValue) {
        self.cache.insert_tls13_ticket(server, session);
        self.received.send_replace(true);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.cache.take_tls13_ticket(server)
    }
}

/// The permission of a server to resume the sessions of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resumption {
    /// No session is kept, and each handshake is a full one. No tickets are sent, whose bytes no figure would account
    /// for.
    #[default]
    Never,
    /// Each listener keeps the last 256 sessions in memory, each for one resumption.
    Allowed,
    /// As `Allowed`, and requests may arrive in early data of the handshake: up to [`MAX_EARLY_DATA`] bytes over TLS on
    /// TCP. They are answered before the handshake is complete, and have the mark [`InEarlyData`](crate::InEarlyData).
    /// A listener takes the early data of a session once, but an attacker may replay it to another server with the same
    /// sessions.
    EarlyData,
}

/// The early data that a connection may send, in bytes: one record of TLS (RFC 8446 section 5.1), the default of
/// OpenSSL as well (SSL_set_max_early_data(3)).
pub const MAX_EARLY_DATA: u32 = 16 << 10;

/// Returns whether a server with this configuration takes early data.
pub(crate) fn takes_early_data(config: &ServerConfig) -> bool {
    config.max_early_data_size > 0
}

/// The tickets of a full handshake over TLS 1.3: two, as many as rustls and OpenSSL send, for a client that opens two
/// connections at once. Each ticket takes one of the 256 places.
const TICKETS: usize = 2;

impl Resumption {
    /// Applies the permission to a server's configuration. By default rustls keeps 256 sessions.
    pub(crate) fn apply(self, config: &mut ServerConfig) {
        match self {
            Self::Never => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            Self::Allowed => config.send_tls13_tickets = TICKETS,
            Self::EarlyData => {
                config.send_tls13_tickets = TICKETS;
                config.max_early_data_size = MAX_EARLY_DATA;
                config.send_half_rtt_data = true;
            }
        }
    }
}
