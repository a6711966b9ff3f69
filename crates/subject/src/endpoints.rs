//! The URLs of a server under proof.

use client::{Target, TargetError};
use record::{Case, Direction, Protocol};

/// The placeholder in a URL for the port that longhaul chooses.
pub(crate) const PORT: &str = "{port}";

/// The placeholders in a URL for the size of the body, in decimal bytes.
const SIZES: [&str; 2] = ["{size}", "{n}"];

/// The placeholder in a URL for the size of the chunks of the body, in decimal bytes.
const CHUNK: &str = "{chunk}";

/// The placeholder in a URL for the seed of the generated body.
const SEED: &str = "{seed}";

/// The URLs of a server: one for uploads, and optionally one for downloads. `{port}` stands for a port that longhaul
/// chooses, `{size}` for the size of the body in bytes, `{chunk}` for that of its chunks, and `{seed}` for the seed of
/// its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    upload: String,
    download: Option<String>,
}

impl Endpoints {
    /// Makes the URLs of a server.
    ///
    /// # Errors
    /// Fails if one of them is no URL.
    pub fn new(upload: impl Into<String>, download: impl Into<Option<String>>) -> Result<Self, TargetError> {
        let endpoints = Self { upload: upload.into(), download: download.into() };
        for direction in [Direction::Up, Direction::Down] {
            let mut case = Case::new("");
            case.direction = direction;
            endpoints.parse(&case, Some(1))?;
        }
        Ok(endpoints)
    }

    /// Makes the URLs of longhaul's own server behind the proxy at `url`.
    ///
    /// # Errors
    /// Fails if the text is no URL.
    pub fn behind_proxy(url: &str) -> Result<Self, TargetError> {
        let base = url.trim_end_matches('/');
        Self::new(format!("{base}/upload"), format!("{base}/?size={{size}}&chunk={{chunk}}&seed={{seed}}"))
    }

    /// Returns whether there is a URL for downloads.
    pub fn gives_bodies(&self) -> bool {
        self.download.is_some()
    }

    /// Returns whether longhaul chooses the port of the server.
    pub fn needs_port(&self) -> bool {
        [Some(&self.upload), self.download.as_ref()].into_iter().flatten().any(|url| url.contains(PORT))
    }

    /// Returns whether the URL for downloads states the size, so that the server gives bodies of any size.
    pub fn has_size(&self) -> bool {
        self.download.as_ref().is_some_and(|url| SIZES.iter().any(|size| url.contains(size)))
    }

    /// Returns whether the URL for downloads states the seed, so that the server gives bodies of any seed.
    pub fn has_seed(&self) -> bool {
        self.download.as_ref().is_some_and(|url| url.contains(SEED))
    }

    /// Returns the protocol of requests by default: HTTP/1.1 in cleartext, and HTTP/2 over TLS.
    ///
    /// # Errors
    /// Fails if the text is no URL.
    pub fn protocol(&self) -> Result<&'static Protocol, TargetError> {
        Ok(self.parse(&Case::new(""), Some(1))?.protocol())
    }

    /// Returns the target of a case.
    ///
    /// # Errors
    /// Fails if the protocol of the case does not fit the URL.
    pub fn target(&self, case: &Case, port: Option<u16>) -> Result<Target, TargetError> {
        self.parse(case, port)?.with_protocol(Protocol::by_name(&case.protocol))
    }

    fn parse(&self, case: &Case, port: Option<u16>) -> Result<Target, TargetError> {
        let url = match case.direction {
            Direction::Up => &self.upload,
            Direction::Down => self.download.as_ref().unwrap_or(&self.upload),
        };
        let size = case.body.0.to_string();
        let url = SIZES.iter().fold(url.clone(), |url, placeholder| url.replace(placeholder, &size));
        let url =
            url.replace(CHUNK, &u64::from(case.chunk).to_string()).replace(SEED, &case.seed.to_string());
        Target::parse(&port.map_or(url.clone(), |port| url.replace(PORT, &port.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use record::ByteSize;

    use super::*;

    #[test]
    fn a_port_and_a_size_are_filled_in() {
        let endpoints =
            Endpoints::new("http://localhost:{port}/up", "http://localhost:{port}/{size}?n={n}".to_owned())
                .unwrap();
        assert!(endpoints.needs_port() && endpoints.has_size());
        let mut case = Case::new("h1c");
        (case.direction, case.body) = (Direction::Down, ByteSize(7));
        assert_eq!(endpoints.target(&case, Some(81)).unwrap().url(), "http://localhost:81/7?n=7");
        case.direction = Direction::Up;
        assert_eq!(endpoints.target(&case, Some(81)).unwrap().url(), "http://localhost:81/up");
        assert_eq!(endpoints.protocol().unwrap().name, "h1c");
        case.protocol = "h3".into();
        assert!(endpoints.target(&case, Some(81)).is_err(), "no QUIC in cleartext");
        let proxy = Endpoints::behind_proxy("http://localhost:82/").unwrap();
        case.direction = Direction::Down;
        case.protocol = "h1c".into();
        (case.chunk, case.seed) = (5000.try_into().unwrap(), 9);
        let url = "http://localhost:82/?size=7&chunk=5000&seed=9";
        assert!(proxy.target(&case, None).unwrap().url() == url && proxy.has_seed() && !endpoints.has_seed());
        assert!(
            Endpoints::new("ftp://x/", None).is_err() && Endpoints::new("http://x/", "x".to_owned()).is_err()
        );
    }
}
