//! Redirects: the way of a transfer from the target of the user to the target that answers.

use http::header;
use record::{PROTOCOLS, Protocol, Redirects, redacted_url};

use crate::{HeaderEdit, RequestOptions, Target, TargetError, reference::resolve};

/// The reason not to follow a redirect if the options allow none: without -L, or with -L and --max-redirs 0.
const NONE_FOLLOWED: &str =
    "the maximum of 0 redirects is reached; allow more by -L, or by a larger --max-redirs if -L is given";

/// The way of a transfer over redirects (RFC 9110 section 15.4). Secrets of the user go to the origin of the first
/// target alone: to its scheme, host and port.
pub(crate) struct Way<'a> {
    first: &'a Target,
    options: &'a RequestOptions,
    /// The target of the last redirect, and the options of requests there; `None` before a redirect.
    last: Option<(Target, RequestOptions)>,
    redirects: u32,
    secrets: Vec<String>,
}

impl<'a> Way<'a> {
    /// Returns the way to the first target.
    pub(crate) fn new(first: &'a Target, options: &'a RequestOptions) -> Self {
        let secrets = options.secrets(first).collect();
        Self { first, options, last: None, redirects: 0, secrets }
    }

    /// Returns the target of the next request.
    pub(crate) fn target(&self) -> &Target {
        self.last.as_ref().map_or(self.first, |(target, _)| target)
    }

    /// Returns the options of the next request.
    pub(crate) fn options(&self) -> &RequestOptions {
        self.last.as_ref().map_or(self.options, |(_, options)| options)
    }

    /// Returns the secret texts of all targets so far, which no message may contain.
    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Returns the redirects as records state them; `None` if there were none.
    pub(crate) fn redirects(&self) -> Option<Redirects> {
        let url = redacted_url(&self.last.as_ref()?.0.url());
        Some(Redirects { count: self.redirects, url })
    }

    /// Goes on to the target of a redirect.
    ///
    /// # Errors
    /// Fails if the user allows no further redirect, or if the target cannot be used. The error completes the message of
    /// the refusal.
    pub(crate) fn follow(&mut self, location: &str) -> Result<(), String> {
        match self.options.max_redirects {
            0 => return Err(NONE_FOLLOWED.into()),
            most if self.redirects >= most => {
                return Err(format!("it is the redirect after {most}, which --max-redirs allows"));
            }
            _ => {}
        }
        let target = next(self.target(), location).map_err(|error| error.to_string())?;
        let (target, options) = if is_same_origin(&target, self.first) {
            (target.or_credentials_of(self.first), self.options.clone())
        } else {
            (target, for_other_origin(self.options))
        };
        self.secrets.extend(options.secrets(&target));
        self.last = Some((target, options));
        self.redirects += 1;
        Ok(())
    }
}

/// Returns the target of a redirect. Within a scheme, the protocol stays. From `http` to `https`, the version of HTTP
/// stays. From `https` to `http`, the version is HTTP/1.1, since few servers take others without TLS.
fn next(from: &Target, location: &str) -> Result<Target, TargetError> {
    let target = Target::parse(&resolve(from.uri(), location))?.or_zone_of(from);
    let (old, new) = (from.protocol(), target.protocol());
    if old.scheme() == new.scheme() {
        return target.with_protocol(old);
    }
    let version = if new.is_encrypted() { old.http() } else { Some("1.1") };
    let fits = |row: &&Protocol| row.scheme() == new.scheme() && row.http() == version;
    target.with_protocol(PROTOCOLS.iter().find(fits))
}

/// Returns whether two targets have the same scheme, host and port. Addresses in different zones are different hosts.
pub(crate) fn is_same_origin(one: &Target, other: &Target) -> bool {
    let origin = |target: &Target| (target.protocol().scheme(), target.node().to_lowercase(), target.port());
    origin(one) == origin(other)
}

/// Returns the options of requests to another origin: without credentials, without header fields that hold credentials,
/// and with the host of the URL. As in curl, all other fields stay.
fn for_other_origin(options: &RequestOptions) -> RequestOptions {
    let is_kept = |field: &HeaderEdit| match field {
        HeaderEdit::Set(name, _) => ![header::AUTHORIZATION, header::COOKIE].contains(name),
        HeaderEdit::Host(_) => false,
        HeaderEdit::Remove(_) => true,
    };
    let fields = options.fields.iter().filter(|field| is_kept(field)).cloned().collect();
    RequestOptions { fields, credentials: None, ..options.clone() }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::Credentials;

    fn options() -> RequestOptions {
        let lines = ["Authorization: one", "Cookie: two", "Host: three", "X-Key: four"];
        lines
            .iter()
            .fold(RequestOptions::default(), |options, line| {
                options.with_field(HeaderEdit::parse(line).unwrap())
            })
            .with_credentials(Credentials::bearer("five").unwrap())
            .following(9)
    }

    /// Returns the URL and the fields of the request after a redirect.
    fn after(first: &str, locations: &[&str]) -> (String, String) {
        let (first, options) = (Target::parse(first).unwrap(), options());
        let mut way = Way::new(&first, &options);
        for location in locations {
            way.follow(location).unwrap();
        }
        let request = way.options().request(Method::GET, way.target(), HeaderMap::new(), ()).unwrap();
        let fields = request.headers().values().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        (way.target().url(), fields.join(" "))
    }

    #[test]
    fn secrets_go_to_the_first_origin_alone() {
        let all = "one two four";
        for (location, url, fields) in [
            ("/b", "http://x/b", all),
            ("http://X:80/b", "http://X:80/b", all),
            ("http://x:81/b", "http://x:81/b", "four"),
            ("http://y/b", "http://y/b", "four"),
            ("https://x/b", "https://x/b", "four"),
            ("//me:pw@y/b", "http://y/b", "Basic bWU6cHc= four"),
        ] {
            assert_eq!(after("http://x/a", &[location]), (url.to_owned(), fields.to_owned()), "{location}");
        }
        assert_eq!(after("http://x/a", &["http://y/", "http://x/c"]).1, all);
    }

    #[test]
    fn credentials_of_the_first_url_stay_at_its_origin() {
        let (first, options) =
            (Target::parse("http://me:pw@x/a").unwrap(), RequestOptions::default().following(2));
        let mut way = Way::new(&first, &options);
        way.follow("/b").unwrap();
        assert!(way.target().credentials().is_some());
        way.follow("http://y/").unwrap();
        assert!(way.target().credentials().is_none());
    }

    #[test]
    fn the_zone_of_an_address_stays_on_its_host() {
        for (location, url, fields) in [
            ("/b", "http://[fe80::1%25eth0]/b", "one two four"),
            ("http://[FE80::1]/b", "http://[FE80::1%25eth0]/b", "one two four"),
            ("http://[fe80::1%25eth1]/b", "http://[fe80::1%25eth1]/b", "four"),
            ("http://[fe80::2]/b", "http://[fe80::2]/b", "four"),
        ] {
            let expected = (url.to_owned(), fields.to_owned());
            assert_eq!(after("http://[fe80::1%25eth0]/a", &[location]), expected, "{location}");
        }
    }

    #[test]
    fn the_protocol_follows_the_scheme() {
        for (first, protocol, location, expected) in [
            ("http://x/", "h1c", "https://x/", "h1"),
            ("http://x/", "h2c", "https://x/", "h2"),
            ("https://x/", "h3", "https://y/", "h3"),
            ("https://x/", "h2", "http://x/", "h1c"),
        ] {
            let first = Target::parse(first).unwrap().with_protocol(Protocol::by_name(protocol)).unwrap();
            assert_eq!(next(&first, location).unwrap().protocol().name, expected);
        }
    }

    #[test]
    fn redirects_beyond_the_bound_and_to_other_schemes_are_refused() {
        let first = Target::parse("http://x/?key=hunter2").unwrap();
        let options = RequestOptions::default();
        let refused = Way::new(&first, &options).follow("/b").unwrap_err();
        assert!(refused.contains("maximum of 0 redirects") && refused.contains("-L"), "{refused}");
        let options = options.following(1);
        let mut way = Way::new(&first, &options);
        assert!(way.follow("ftp://y/").unwrap_err().contains("http://"));
        assert_eq!(way.redirects(), None);
        way.follow("/b?key=hunter3").unwrap();
        assert!(way.follow("/c").unwrap_err().contains("--max-redirs"));
        assert_eq!(way.redirects(), Some(Redirects { count: 1, url: "http://x/b?key=***".into() }));
        assert_eq!(way.secrets(), ["hunter2", "hunter3"]);
    }
}
