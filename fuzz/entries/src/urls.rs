//! The entry point for the URLs of `send` and `fetch`.

use client::Target;

/// Parses a URL. Its normal form must be a URL with the same normal form.
pub fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(target) = Target::parse(text) else { return };
    let normal = target.url();
    let again = Target::parse(&normal).map(|target| target.url());
    assert!(again.is_ok_and(|again| again == normal), "{text:?} has the normal form {normal:?}");
}
