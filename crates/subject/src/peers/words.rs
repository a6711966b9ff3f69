//! The words of a command line that is one argument, such as the value of a flag.

/// A quotation mark without its counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {0} has no counterpart")]
pub struct OpenQuote(char);

/// Splits a text at white space. Within single or double quotation marks, white space belongs to the word. There are no
/// escapes and no variables.
pub(super) fn split(text: &str) -> Result<Vec<String>, OpenQuote> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => word.get_or_insert_default().push(letter),
            None if letter == '"' || letter == '\'' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.map_or(Ok(words), |open| Err(OpenQuote(open)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_white_space_outside_of_quotation_marks() {
        let words = split(" sh  -c 'curl \"{url}\"' a\" b\"c ''").unwrap();
        assert_eq!(words, ["sh", "-c", "curl \"{url}\"", "a bc", ""]);
        assert_eq!(split(" \t"), Ok(vec![]));
        assert_eq!(split("a 'b"), Err(OpenQuote('\'')));
    }
}
