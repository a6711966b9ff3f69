//! Text from unknown clients, for terminals and logs.

/// Returns a text in printable ASCII characters, at most `most` of them. Any other character is escaped, since it might
/// move a terminal's cursor or hide a part of the text.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let escaped = text.chars().flat_map(|c| {
        let plain = (c.is_ascii_graphic() || c == ' ').then_some(c);
        let escape = plain.is_none().then(|| c.escape_unicode());
        plain.into_iter().chain(escape.into_iter().flatten())
    });
    escaped.take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printable_characters_are_kept() {
        assert_eq!(printable("a b\u{1b}[31m\n\u{202e}", 100), "a b\\u{1b}[31m\\u{a}\\u{202e}");
        assert_eq!(printable("abc", 2), "ab");
    }
}
