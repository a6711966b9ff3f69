//! Entry points of fuzz targets. Only cargo-fuzz and tests compile them.

use crate::{Target, redirect::is_same_origin, reference::resolve};

/// Resolves a reference, as a server states it in Location, against the URL in the first line. A reference that names no
/// host must stay on the server, and no result may have dot segments or a fragment.
pub fn references(data: &[u8]) {
    let Some((base, reference)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n'))
    else {
        return;
    };
    let Ok(base) = Target::parse(base) else { return };
    let resolved = resolve(base.uri(), reference);
    assert!(!resolved.contains('#'), "{reference:?} has a fragment: {resolved}");
    let reference = reference.trim();
    let path = resolved.split(['?']).next().unwrap_or_default();
    if names_a_host(reference) {
        assert!(!path.split('/').skip(3).any(|segment| segment == ".."), "{reference:?} goes up: {resolved}");
    }
    if reference.starts_with("//") || reference.contains(':') {
        // The parser of URLs must not panic on any text.
        let _ = Target::parse(&resolved);
        return;
    }
    // A reference without a path keeps the path of the URL.
    let is_own = reference.is_empty() || reference.starts_with(['?', '#']);
    assert!(is_own || !path.split('/').any(|segment| segment == ".."), "{reference:?} goes up: {resolved}");
    if let Ok(target) = Target::parse(&resolved).map(|target| target.or_zone_of(&base)) {
        assert!(is_same_origin(&target, &base), "{reference:?} leads to another server: {resolved}");
    }
}

/// Returns whether a reference begins with `//`, or with a scheme and `//`.
fn names_a_host(reference: &str) -> bool {
    let (scheme, _) = reference.split_once("//").unwrap_or(("?", ""));
    scheme.strip_suffix(':').map_or(scheme.is_empty(), |scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn no_file_of_the_corpus_is_a_finding() {
        let folder = format!("{}/../../fuzz/corpus/references", env!("CARGO_MANIFEST_DIR"));
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.iter().for_each(|file| super::references(&fs::read(file).unwrap()));
        assert!(files.len() > 5);
    }
}
