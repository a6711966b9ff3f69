//! The admission of requests, by the rules of [`Access`].

use http::{HeaderMap, Method, StatusCode, request::Parts};
use transport::Identity;

use super::{Access, authority, cors, origin};
use crate::{Options, refusal::Refusal};

/// The admission of the requests of one server.
pub(crate) struct Gate {
    access: Access,
    /// The certificate of the operator, whose names count as names of the server. `None` if the server made its own.
    identity: Option<Identity>,
}

/// The kind of an admitted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// A request that the server answers.
    Request,
    /// A CORS preflight, by which a browser asks whether a page may send a request.
    Preflight,
}

impl Gate {
    pub(crate) fn new(options: &Options) -> Self {
        Self { access: options.access.clone(), identity: options.identity.clone() }
    }

    /// Checks the name by which the server was reached, and then the origin of the page.
    ///
    /// # Errors
    /// Fails if the authority is malformed (400) or names another server (421), or if the origin is not allowed (403).
    pub(crate) fn admit(&self, request: &Parts) -> Result<Admitted, Refusal> {
        let authority = authority::of(request)?;
        if let Some(authority) = &authority {
            let certified =
                |name: &str| self.identity.as_ref().is_some_and(|identity| identity.is_valid_for(name));
            authority::check(authority.host(), &self.access.hosts, certified)?;
        }
        let origins = &self.access.origins;
        origin::check(request, authority.as_ref(), origins)?;
        let preflight = request.method == Method::OPTIONS && cors::is_preflight(&request.headers);
        let allowed = preflight && origins.allowed(&request.headers).is_some();
        Ok(if allowed { Admitted::Preflight } else { Admitted::Request })
    }

    /// Checks the token of a request.
    ///
    /// # Errors
    /// Fails if the token is missing or wrong (401).
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.access.token.as_ref().map_or(Ok(()), |token| token.check(headers))
    }

    /// Returns the name under which the access log shows the holder of the token. `None` without a token.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Option<&'static str> {
        self.access.token.as_ref().and_then(|token| token.check(headers).ok()).map(|()| "token")
    }

    /// Refuses the download of a saved file unless it is allowed.
    ///
    /// # Errors
    /// Fails if the server allows uploads only (403).
    pub(crate) fn may_download(&self) -> Result<(), Refusal> {
        match self.access.upload_only {
            true => Err(Refusal::new(StatusCode::FORBIDDEN, "files can be uploaded here, not downloaded")),
            false => Ok(()),
        }
    }

    /// Returns the fields by which a browser lets a page read the response.
    pub(crate) fn response_fields(&self, headers: &HeaderMap) -> HeaderMap {
        cors::response_fields(headers, &self.access.origins)
    }
}
