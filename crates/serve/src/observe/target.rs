//! The target of a request for the log: without secrets, and in printable characters.

use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::request::UPLOADS;

/// The parameters whose values are logged. Other values may be secrets, such as the signature of a link.
const SHOWN: [&str; 4] = ["file", "size", "chunk", "seed"];

/// The number of characters of an upload resource's name that are logged. They distinguish the uploads in the log.
const SHOWN_OF_ID: usize = 6;

/// The longest text of a logged target, in bytes.
const MOST: usize = 1000;

/// The characters that are percent-encoded, in addition to all characters outside ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\');

/// Returns the path and the query of a target, without user information and the values of unknown parameters.
pub(super) fn loggable(uri: &Uri) -> String {
    // The name of an upload resource is a secret.
    let resource = uri.path().strip_prefix(UPLOADS).and_then(|id| id.get(..SHOWN_OF_ID));
    let mut target = resource.map_or_else(|| uri.path().to_owned(), |start| format!("{UPLOADS}{start}..."));
    for (index, parameter) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if !SHOWN.contains(&name) => {
                target.push_str(name);
                target.push_str("=REDACTED");
            }
            Some(_) => target.push_str(parameter),
            // A parameter without `=` may be a secret as a whole.
            None if parameter.is_empty() => {}
            None => target.push_str("REDACTED"),
        }
    }
    let encoded: String = utf8_percent_encode(&target, ENCODED).collect();
    encoded.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_unprintable_characters_are_not_logged() {
        for (target, logged) in [
            ("/", "/"),
            ("/a%20b?file=c&size=5", "/a%20b?file=c&size=5"),
            ("/a?token=s3cret&file=c", "/a?token=REDACTED&file=c"),
            ("/a?X-Amz-Signature=abc", "/a?X-Amz-Signature=REDACTED"),
            ("/a?s3cret", "/a?REDACTED"),
            ("http://user:pass@host/a", "/a"),
            ("/.longhaul/uploads/0123456789abcdef", "/.longhaul/uploads/012345..."),
        ] {
            assert_eq!(loggable(&target.parse().unwrap()), logged, "{target}");
        }
        assert_eq!(loggable(&Uri::from_maybe_shared("/\u{202e}a".as_bytes()).unwrap()), "/%E2%80%AEa");
        assert_eq!(loggable(&format!("/{}", "a".repeat(5000)).parse().unwrap()).len(), MOST);
    }
}
