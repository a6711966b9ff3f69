//! The options of a client: trust, timeout and limits.

use std::time::Duration;

use record::{Limits, Profile};
use transport::{Identity, KeyLog, TlsVersion, Trust};

use crate::{AddressOptions, HandshakeKind, Load, Proxy, RequestOptions, RetryOptions};

/// The options that all transfers of a [`Client`](crate::Client) share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The certificates that are accepted; unused in cleartext.
    pub trust: Trust,
    /// The certificate that is presented to servers that ask for one; `None` for none.
    pub identity: Option<Identity>,
    /// The oldest version of TLS over TCP that the client accepts.
    pub oldest_tls: TlsVersion,
    /// The file to which the secrets of connections are written; `None` for none.
    pub key_log: Option<KeyLog>,
    /// The longest time from the start of the name's resolution to the end of the handshake. Also the time without a
    /// moving byte after which a transfer is aborted. Waiting for the source, the output or the response does not
    /// count.
    pub timeout: Duration,
    /// The longest total time of one try of a transfer, from the name's resolution to the response; `None` for no
    /// limit.
    pub max_time: Option<Duration>,
    /// The choice of the addresses that are dialled.
    pub addresses: AddressOptions,
    /// The proxy through which all servers are reached; `None` for none, whatever the environment states.
    pub proxy: Option<Proxy>,
    /// The handshake of the connections that carry bodies; unused in cleartext.
    pub handshake: HandshakeKind,
    /// The number of bodies that a transfer moves at once.
    pub load: Load,
    /// The retries of a transfer.
    pub retries: RetryOptions,
    /// The changes to the requests.
    pub request: RequestOptions,
    /// The values of all limits in force.
    pub limits: Limits,
    /// HTTP/2: the receive window of a connection in bytes, if it is larger than that of a stream. `None` takes the
    /// window of a stream.
    pub connection_window: Option<u32>,
    /// The label of the runs in records; `None` for none.
    pub label: Option<String>,
}

impl Options {
    /// The default timeout: 30 s, which is longer than seven consecutive retransmissions of TCP. The waits between
    /// these double from 200 ms on (RFC 6298; the minimum is Linux's TCP_RTO_MIN) and sum to 25.4 s.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// Sets the certificates that are accepted.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Sets the certificate that is presented to servers that ask for one.
    #[must_use]
    pub fn with_identity(self, identity: impl Into<Option<Identity>>) -> Self {
        Self { identity: identity.into(), ..self }
    }

    /// Sets the oldest version of TLS over TCP that the client accepts.
    #[must_use]
    pub fn with_oldest_tls(self, oldest_tls: TlsVersion) -> Self {
        Self { oldest_tls, ..self }
    }

    /// Sets the file to which the secrets of connections are written.
    #[must_use]
    pub fn with_key_log(self, key_log: impl Into<Option<KeyLog>>) -> Self {
        Self { key_log: key_log.into(), ..self }
    }

    /// Sets the timeout: the longest time of a handshake, and of a transfer without any progress.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the longest total time of one try of a transfer; `None` sets no limit.
    #[must_use]
    pub fn with_max_time(self, max_time: impl Into<Option<Duration>>) -> Self {
        Self { max_time: max_time.into(), ..self }
    }

    /// Sets the choice of the addresses that are dialled.
    #[must_use]
    pub fn with_addresses(self, addresses: AddressOptions) -> Self {
        Self { addresses, ..self }
    }

    /// Sets the proxy through which all servers are reached; `None` reaches them directly.
    #[must_use]
    pub fn with_proxy(self, proxy: impl Into<Option<Proxy>>) -> Self {
        Self { proxy: proxy.into(), ..self }
    }

    /// Sets the handshake of the connections that carry bodies.
    #[must_use]
    pub fn with_handshake(self, handshake: HandshakeKind) -> Self {
        Self { handshake, ..self }
    }

    /// Sets the number of bodies that a transfer moves at once. Each body is a separate request for the same URL.
    #[must_use]
    pub fn with_load(self, load: Load) -> Self {
        Self { load, ..self }
    }

    /// Sets the retries of a transfer.
    #[must_use]
    pub fn with_retries(self, retries: RetryOptions) -> Self {
        Self { retries, ..self }
    }

    /// Sets the method, header fields, credentials, expected statuses and redirect limit of all requests.
    #[must_use]
    pub fn with_request(self, request: RequestOptions) -> Self {
        Self { request, ..self }
    }

    /// Sets the values of all limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the receive window of a connection over HTTP/2; `None` takes the window of a stream.
    #[must_use]
    pub fn with_connection_window(self, bytes: impl Into<Option<u32>>) -> Self {
        Self { connection_window: bytes.into(), ..self }
    }

    /// Sets the label of the runs in records.
    #[must_use]
    pub fn with_label(self, label: impl Into<Option<String>>) -> Self {
        Self { label: label.into(), ..self }
    }
}

/// Creates options with the system's root certificates, a timeout of [`Options::TIMEOUT`], and the limits of the
/// default profile for transfers with other programs.
impl Default for Options {
    fn default() -> Self {
        Self {
            trust: Trust::SystemRoots,
            identity: None,
            oldest_tls: TlsVersion::default(),
            key_log: None,
            timeout: Self::TIMEOUT,
            max_time: None,
            addresses: AddressOptions::default(),
            proxy: None,
            handshake: HandshakeKind::default(),
            load: Load::default(),
            retries: RetryOptions::default(),
            request: RequestOptions::default(),
            limits: Limits::for_any_peer(Profile::default()),
            connection_window: None,
            label: None,
        }
    }
}
