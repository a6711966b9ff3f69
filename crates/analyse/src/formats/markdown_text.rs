//! Text from records and command lines within Markdown.

/// Escapes text for Markdown and HTML, so that it is shown as it is. Control characters become spaces. A closing bracket
/// is escaped only where a link could follow.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('&', _) => plain += "&amp;",
            ('<', _) => plain += "&lt;",
            ('\\' | '`' | '*' | '_' | '|' | '~' | '#' | '@', _) | (']', Some('(' | '[' | ':')) => {
                plain.push('\\');
                plain.push(character);
            }
            (character, _) if character.is_control() => plain.push(' '),
            (character, _) => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_others_is_text_and_intervals_stay_readable() {
        assert_eq!(plain("h2/up/64KiB/2GiB [1, 2]"), "h2/up/64KiB/2GiB [1, 2]");
        let markup = "<b>@all</b> ![x](http://x/y.png) | [a][b]\n# `c` [d]: e & \\*f*";
        let text = r"&lt;b>\@all&lt;/b> ![x\](http://x/y.png) \| [a\][b] \# \`c\` [d\]: e &amp; \\\*f\*";
        assert_eq!(plain(markup), text);
    }
}
