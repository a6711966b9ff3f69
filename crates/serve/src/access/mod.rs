//! Who may use a server: tokens, names of the server, and web pages of other origins.

mod authority;
mod cors;
mod origin;
mod token;

use http::{HeaderMap, Method, StatusCode, request::Parts};

pub use authority::{HostName, InvalidHost};
pub use origin::{InvalidOrigin, Origins};
pub use token::{InvalidToken, Token};

use crate::refusal::Refusal;

/// The rules by which a server admits requests. The default admits clients of this machine: those that reach it by an IP
/// address or as `localhost`, and no web page of another origin.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Access {
    /// The token that every request must carry, but those for the health of the server.
    pub token: Option<Token>,
    /// Whether a server beyond loopback may do without a token.
    pub open: bool,
    /// The names of the server, besides IP addresses and `localhost`. A request for another name is refused: a web page
    /// may have made its own name resolve to this server (DNS rebinding).
    pub hosts: Vec<HostName>,
    /// The origins whose web pages may use the server.
    pub origins: Origins,
    /// Whether saved files can be uploaded but not downloaded.
    pub upload_only: bool,
    /// Whether an upload may not replace a file.
    pub no_overwrite: bool,
}

/// A request that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// A request to be served.
    Request,
    /// The question of a browser whether a page may send a request.
    Preflight,
}

impl Access {
    /// Checks the name of the server and the origin of the page, in that order.
    ///
    /// # Errors
    /// The authority is malformed (400), not that of this server (421), or the origin is another one (403).
    pub(crate) fn admit(&self, request: &Parts) -> Result<Admitted, Refusal> {
        let authority = authority::of(request)?;
        if let Some(authority) = &authority {
            authority::check(authority.host(), &self.hosts)?;
        }
        origin::check(request, authority.as_ref(), &self.origins)?;
        let preflight = request.method == Method::OPTIONS && cors::is_preflight(&request.headers);
        let allowed = preflight && self.origins.allowed(&request.headers).is_some();
        Ok(if allowed { Admitted::Preflight } else { Admitted::Request })
    }

    /// Checks the token of a request.
    ///
    /// # Errors
    /// The token is missing or wrong (401).
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.token {
            Some(token) => token.check(headers),
            None => Ok(()),
        }
    }

    /// Refuses the download of a saved file unless it is allowed.
    ///
    /// # Errors
    /// Files can only be uploaded (403).
    pub(crate) fn may_download(&self) -> Result<(), Refusal> {
        match self.upload_only {
            true => Err(Refusal::new(StatusCode::FORBIDDEN, "files can be uploaded here, not downloaded")),
            false => Ok(()),
        }
    }

    /// The fields by which a browser lets the page read the response.
    pub(crate) fn response_fields(&self, request: &Parts) -> HeaderMap {
        cors::response_fields(request, &self.origins)
    }
}

pub(crate) use cors::preflight;
