//! A client of the control resource of `longhaul serve --measure`, for sessions whose server ends run on that host.

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use record::{Fault, FaultKind};
use run::{
    CONTROL_PATH, CONTROL_VERSION, Control, ControlError, Opened, VERSION_FIELD, accepted, short_body,
};
use tokio::time::timeout;
use transport::Body;

use crate::{
    Options, Target, TargetError,
    dial::{DialError, dial},
};

/// The control resource of a host, with the trust and the credentials to reach it.
#[derive(Clone, Debug)]
pub struct ControlResource {
    target: Target,
    options: Options,
}

/// The error for a URL that is not that of a host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlUrlError {
    /// The text is not a URL.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The URL has another scheme, a path or a query.
    #[error("'{0}' is not the address of a host that measures; use https://HOST:PORT")]
    NotAHost(String),
}

impl ControlResource {
    /// Returns the control resource of the host at this URL: `https://HOST:PORT`.
    ///
    /// # Errors
    /// Fails if the text is not such a URL.
    pub fn at(url: &str, options: Options) -> Result<Self, ControlUrlError> {
        let target = Target::parse(url)?;
        let is_root = target.uri().path_and_query().is_none_or(|path| path.as_str() == "/");
        if !target.protocol().is_encrypted() || !is_root {
            return Err(ControlUrlError::NotAHost(record::redacted_url(url)));
        }
        let resource = target.url().trim_end_matches('/').to_owned() + CONTROL_PATH;
        let target = Target::parse(&resource)?.or_credentials_of(&target);
        Ok(Self { target, options })
    }

    /// Returns the URL of the host, without credentials.
    pub fn host(&self) -> String {
        self.target.url().trim_end_matches(CONTROL_PATH).to_owned()
    }

    /// Returns the error of a response that opens no session.
    async fn refusal(&self, response: Response<Body>) -> ControlError {
        let version = response.headers().get(VERSION_FIELD);
        let version = version.map(|version| String::from_utf8_lossy(version.as_bytes()).into_owned());
        if let Some(other) = version.filter(|version| *version != CONTROL_VERSION.to_string()) {
            return ControlError::Version(other);
        }
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            let reason = short_body(response).await.unwrap_or_default();
            return ControlError::Busy(record::printable(String::from_utf8_lossy(&reason).trim()));
        }
        match accepted(response).await {
            Err(fault) => ControlError::Refused(fault),
            Ok(_) => {
                let message = "the server answered, but is no `longhaul serve --measure`";
                ControlError::Refused(Fault::new(FaultKind::Protocol, message))
            }
        }
    }
}

#[async_trait(?Send)]
impl Control for ControlResource {
    async fn open(&self, demands: Body) -> Result<Opened, ControlError> {
        let dialled = dial(&self.target, &self.options).await.map_err(unreachable)?;
        let mut fields = HeaderMap::new();
        fields.insert(VERSION_FIELD, HeaderValue::from(CONTROL_VERSION));
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
        let request = self.options.request.request(Method::POST, &self.target, fields, demands);
        let request = request.map_err(ControlError::Refused)?;
        let exchange = timeout(self.options.timeout, dialled.connection.exchange(request)).await;
        let exchange = exchange.map_err(|_| {
            let waited = self.options.timeout.as_secs_f64();
            let message = format!("no response from {} within {waited} s", dialled.address());
            ControlError::Unreachable(Fault::new(FaultKind::Timeout, message))
        })?;
        let response = exchange.map_err(|error| ControlError::Unreachable(error.into()))?;
        let is_session = response.headers().get(VERSION_FIELD) == Some(&HeaderValue::from(CONTROL_VERSION));
        if response.status() != StatusCode::OK || !is_session {
            return Err(self.refusal(response).await);
        }
        Ok(Opened {
            address: dialled.address(),
            connection: dialled.connection,
            answers: response.into_body(),
        })
    }
}

/// Returns the error for a failure to connect. A failed handshake counts as a refusal, because the host is not the
/// trusted one and a retry would not help.
fn unreachable(error: DialError) -> ControlError {
    match Fault::from(error) {
        fault if fault.kind == FaultKind::Handshake => ControlError::Refused(fault),
        fault => ControlError::Unreachable(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_without_a_path() {
        let at = |url: &str| ControlResource::at(url, Options::default());
        for url in ["https://a:1", "https://a:1/", "https://[::1]:8433"] {
            assert!(at(url).unwrap().target.url().ends_with(CONTROL_PATH), "{url}");
        }
        for url in ["http://a:1", "https://a:1/b", "https://a:1/?b", "a:1", ""] {
            assert!(at(url).is_err(), "{url}");
        }
    }
}
