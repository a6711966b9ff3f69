//! The resolution of a URL reference, as Location states it, against the URL of the request (RFC 3986 section 5).

use http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The characters that servers send in Location although no URL may contain them.
const FORBIDDEN: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');

/// Returns the URL that a reference means in the response to a request for `base`, without a fragment. A reference with
/// a scheme is not checked, so the result may not be a URL.
pub(crate) fn resolve(base: &Uri, reference: &str) -> String {
    let reference = utf8_percent_encode(reference.trim(), FORBIDDEN).to_string();
    let reference = reference.split_once('#').map_or(reference.as_str(), |(before, _)| before);
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let scheme = base.scheme_str().unwrap_or_default();
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let (path, query) = match reference.find('?') {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
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

/// Returns whether a reference begins with a scheme (RFC 3986 section 3.1).
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_part)
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
            ("a b:c", "http://a/b/c/a%20b:c"),
            (" /ä ", "http://a/%C3%A4"),
        ] {
            assert_eq!(resolve(&base, reference), expected, "{reference}");
        }
    }
}
