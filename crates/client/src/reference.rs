//! The resolution of a URL reference, as Location states it, against the URL of the request (RFC 3986 section 5).

use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The characters that servers send in Location although no URL may contain them.
const FORBIDDEN: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Returns the URL that a reference means in the response to a request for `base`, without a fragment and dot segments. A
/// reference with a scheme is not checked, so the result may not be a URL.
pub(crate) fn resolve(base: &Uri, reference: &str) -> String {
    let reference = utf8_percent_encode(reference.trim(), FORBIDDEN).to_string();
    let reference = reference.split_once('#').map_or(reference.as_str(), |(before, _)| before);
    let (scheme, hierarchy) = match with_scheme(reference) {
        Some((scheme, rest)) if rest.starts_with("//") => (scheme, rest),
        Some(_) => return reference.to_owned(),
        None => (base.scheme_str().unwrap_or_default(), reference),
    };
    if let Some(rest) = hierarchy.strip_prefix("//") {
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { String::new() } else { without_dots(path) };
        return format!("{scheme}://{authority}{path}{query}");
    }
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let (path, query) = split_query(reference);
    let path = match path {
        "" if query.is_empty() => return format!("{scheme}://{authority}{}", of_base(base)),
        "" => base.path().to_owned(),
        absolute if absolute.starts_with('/') => without_dots(absolute),
        relative => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            without_dots(&format!("{folder}/{relative}"))
        }
    };
    format!("{scheme}://{authority}{path}{query}")
}

/// Splits a reference into its scheme and the rest; `None` without a scheme (RFC 3986 section 3.1).
fn with_scheme(reference: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme =
        |scheme: &str| scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_part);
    reference.split_once(':').filter(|(scheme, _)| is_scheme(scheme))
}

/// Splits a reference without a fragment into its path and its query, which keeps the question mark.
fn split_query(reference: &str) -> (&str, &str) {
    reference.split_at(reference.find('?').unwrap_or(reference.len()))
}

fn of_base(base: &Uri) -> &str {
    base.path_and_query().map_or("/", |path| path.as_str())
}

/// Removes the segments `.` and `..` of an absolute path (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let (mut kept, mut ends_in_folder) = (Vec::new(), false);
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3986 section 5.4, without those of other schemes and of path parameters.
    #[test]
    fn references_resolve_as_in_the_standard() {
        let base: Uri = "http://a/b/c/d;p?q".parse().unwrap();
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g?y#s", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://x/y", "https://x/y"),
            ("ftp:x", "ftp:x"),
            ("http://x/b/../c", "http://x/c"),
            ("https://x/a/./b/../../c/..?d/../e#f", "https://x/?d/../e"),
            ("//x/b/../c/.", "http://x/c/"),
            ("http://x?a/../b", "http://x?a/../b"),
            ("http://x/../..", "http://x/"),
            ("mailto:a/../b", "mailto:a/../b"),
            ("a b:c", "http://a/b/c/a%20b:c"),
            (" /ä ", "http://a/%C3%A4"),
        ] {
            assert_eq!(resolve(&base, reference), expected, "{reference}");
        }
    }
}
