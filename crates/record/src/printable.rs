//! Text of peers and users, made safe for terminals, records and pages.

mod facts;

/// The longest quotation of a peer's text, in characters. This length holds the first line of most reasons, and does
/// not flood a terminal.
const QUOTED: usize = 200;

/// Returns the text with every character escaped that could change the display of other text.
///
/// Control characters (C0, DEL, C1) are escaped, so that no escape sequence reaches a terminal. Invisible and
/// reordering format characters are escaped, too. Escaping an escaped text changes nothing.
///
/// ```
/// assert_eq!(longhaul_record::printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
/// ```
pub fn printable(text: &str) -> String {
    escaped(text.chars())
}

/// Returns the text of a peer for use in a message: [`printable`], and cut after 200 characters.
pub fn quoted(text: &str) -> String {
    cut(text, QUOTED)
}

/// Returns the first `most` characters of a text in printable form, with an ellipsis if the text is longer.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut rest = text.chars();
    let mut shown = escaped(rest.by_ref().take(most));
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

fn escaped(chars: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for c in chars {
        if is_shown(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    shown
}

/// Returns whether a text is its own [`printable`] form.
pub(crate) fn is_printable(text: &str) -> bool {
    text.chars().all(is_shown)
}

/// Returns whether a character shows nothing but itself.
fn is_shown(c: char) -> bool {
    !c.is_control() && !is_format(c)
}

/// Returns whether a character is invisible or reorders its neighbours: the general categories Cf, Zl and Zp of
/// Unicode 16.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_and_reordering_become_visible() {
        for (text, shown) in [
            ("why?", "why?"),
            ("größer 日本 \"x\" \\", "größer 日本 \"x\" \\"),
            ("\u{1b}]52;c;b3du\u{7}", "\\u{1b}]52;c;b3du\\u{7}"),
            ("a\r\nb\tc\u{7f}", "a\\r\\nb\\tc\\u{7f}"),
            ("\u{9b}2J\u{85}", "\\u{9b}2J\\u{85}"),
            ("\u{202e}gpj.exe\u{2066}\u{200f}\u{2028}", "\\u{202e}gpj.exe\\u{2066}\\u{200f}\\u{2028}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn a_quotation_is_cut_at_200_characters_of_the_original() {
        assert_eq!(quoted(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(quoted(&"ä".repeat(201)), "ä".repeat(200) + "…");
    }

    proptest! {
        #[test]
        fn nothing_that_controls_a_terminal_is_left_and_escaping_is_stable(text in any::<String>()) {
            let shown = printable(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_format(c)));
            prop_assert_eq!(is_printable(&text), shown == text);
            prop_assert_eq!(printable(&shown), shown);
        }
    }
}
