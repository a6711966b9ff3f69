//! Entry points of fuzz targets. Only cargo-fuzz and tests compile them.

use http::{Method, Uri};

use crate::{range::Range, request::RequestKind};

/// Parses a method and a request target, separated by a blank. An accepted name must stay within its folder.
pub fn targets(data: &[u8]) {
    let Some((method, target)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once(' ')) else {
        return;
    };
    let (Ok(method), Ok(uri)) = (method.parse::<Method>(), target.parse::<Uri>()) else { return };
    let name = match RequestKind::of(&method, &uri) {
        Ok(RequestKind::Upload { name: Ok(name) } | RequestKind::SavedFile { name }) => name,
        _ => return,
    };
    assert!(!name.as_str().contains('/') && !name.as_str().starts_with('.'), "{target:?} leaves the folder");
}

/// Parses a Range header for a file, whose length is in the first line. A part must lie within the file.
pub fn ranges(data: &[u8]) {
    let Some((length, range)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    let Ok(length) = length.parse::<u64>() else { return };
    if let Range::Part { first, last } = Range::parse(range, length) {
        assert!(first <= last && last < length, "{range:?} of {length}: {first} to {last}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    fn replay(corpus: &str, entry: fn(&[u8])) {
        let folder = format!("{}/../../fuzz/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.iter().for_each(|file| entry(&fs::read(file).unwrap()));
        assert!(files.len() > 5);
    }

    #[test]
    fn no_file_of_the_corpora_is_a_finding() {
        replay("targets", super::targets);
        replay("ranges", super::ranges);
    }
}
