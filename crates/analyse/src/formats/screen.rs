//! The medium of texts for people: a terminal, whose width limits lines, or a pipe, each with or without colours.

use anstyle::{AnsiColor, Style};

/// The medium that shows a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Screen {
    /// The width of the terminal; `None` for a pipe or a file, whose lines are not broken.
    columns: Option<usize>,
    is_coloured: bool,
}

/// The meaning of a colour. Only verdicts, warnings and notes are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tone {
    /// A good verdict.
    Good,
    /// A warning, or a verdict that decides nothing.
    Warning,
    /// A bad verdict.
    Bad,
}

/// The indentation of all lines of a sentence except the first.
const HANGING: &str = "  ";

/// The verdicts that begin or end a line of a comparison or of a gate.
const VERDICTS: [(&str, Tone); 8] = [
    ("WORSE", Tone::Bad),
    ("OVER", Tone::Bad),
    ("DRIFT", Tone::Bad),
    ("FAILED", Tone::Bad),
    ("UNCLEAR", Tone::Warning),
    ("unclear", Tone::Warning),
    ("OTHER", Tone::Warning),
    ("better", Tone::Good),
];

impl Screen {
    /// Creates the screen for a pipe or a file, without colours.
    pub fn pipe() -> Self {
        Self::default()
    }

    /// Creates the screen for a terminal of a width, in columns, without colours.
    pub fn terminal(columns: usize) -> Self {
        Self { columns: Some(columns), is_coloured: false }
    }

    /// Adds colours.
    #[must_use]
    pub fn coloured(self) -> Self {
        Self { is_coloured: true, ..self }
    }

    /// Returns the width of the terminal; `None` for a pipe.
    pub fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Returns a text in the colour of a tone, or as it is without colours.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.is_coloured || text.is_empty() {
            return text.to_owned();
        }
        let colour = match tone {
            Tone::Good => AnsiColor::Green,
            Tone::Warning => AnsiColor::Yellow,
            Tone::Bad => AnsiColor::Red,
        };
        let style = Style::new().fg_color(Some(colour.into()));
        format!("{style}{text}{style:#}")
    }

    /// Returns the text of a comparison or of a gate with its verdicts painted: those words of `VERDICTS` that begin or
    /// end a line.
    pub fn with_verdicts(&self, text: &str) -> String {
        if !self.is_coloured {
            return text.to_owned();
        }
        text.split_inclusive('\n').map(|line| self.with_verdict(line)).collect()
    }

    fn with_verdict(&self, line: &str) -> String {
        let shown = line.trim_end();
        let end = &line[shown.len()..];
        for (word, tone) in VERDICTS {
            if let Some(rest) = shown.strip_prefix(word).filter(|rest| rest.starts_with(' ')) {
                return self.paint(tone, word) + rest + end;
            }
            if let Some(before) = shown.strip_suffix(word).filter(|before| before.ends_with(' ')) {
                return before.to_owned() + &self.paint(tone, word) + end;
            }
        }
        line.to_owned()
    }

    /// Returns a sentence, broken between words to the width of the terminal, with a line break at its end. A word that
    /// is longer than a line is not broken, nor is a number from its percent sign.
    pub fn wrapped(&self, sentence: &str) -> String {
        let Some(columns) = self.columns else { return format!("{sentence}\n") };
        let words = sentence.trim_start_matches(' ');
        let indent = &sentence[..sentence.len() - words.len()];
        let (mut text, mut used, mut is_first) = (indent.to_owned(), indent.len(), true);
        for word in &words_of(words) {
            let length = shown(word);
            if is_first {
                is_first = false;
            } else if used + 1 + length > columns {
                text += &format!("\n{indent}{HANGING}");
                used = indent.len() + HANGING.len();
            } else {
                text.push(' ');
                used += 1;
            }
            text += word;
            used += length;
        }
        text + "\n"
    }

    /// Returns a sentence under the painted headword of a tone: `Warning: …`.
    pub fn headed(&self, tone: Tone, headword: &str, sentence: &str) -> String {
        self.wrapped(&format!("{}: {sentence}", self.paint(tone, headword)))
    }
}

/// Returns the number of columns that a word takes. The escape sequences of colours take none.
fn shown(word: &str) -> usize {
    let mut is_escaped = false;
    let is_shown = |c: &char| {
        let was_escaped = is_escaped || *c == '\x1b';
        is_escaped = was_escaped && *c != 'm';
        !was_escaped
    };
    word.chars().filter(is_shown).count()
}

/// Returns the words of a sentence. A percent sign belongs to the number before it.
fn words_of(sentence: &str) -> Vec<String> {
    sentence.split(' ').fold(Vec::new(), |mut words: Vec<String>, word| {
        match words.last_mut() {
            Some(number) if word.starts_with('%') => *number += &format!(" {word}"),
            _ => words.push(word.to_owned()),
        }
        words
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_at_words_and_only_on_a_terminal() {
        let sentence = "other processes used 55 % of the CPU";
        assert_eq!(Screen::pipe().wrapped(sentence), format!("{sentence}\n"));
        assert_eq!(
            Screen::terminal(16).wrapped(sentence),
            "other processes\n  used 55 % of\n  the CPU\n",
            "each line has at most 16 columns"
        );
        assert_eq!(Screen::terminal(10).wrapped("takes 55 %"), "takes 55 %\n");
        assert_eq!(Screen::terminal(9).wrapped("takes 55 %"), "takes\n  55 %\n");
        assert_eq!(Screen::terminal(9).wrapped("  an indented line"), "  an\n    indented\n    line\n");
        assert_eq!(Screen::terminal(8).wrapped("a file:///long/path b"), "a\n  file:///long/path\n  b\n");
    }

    #[test]
    fn verdicts_are_painted_where_they_begin_or_end_a_line() {
        let text = "OVER  h2: WORSE than\n goodput 0.9 WORSE\nOVERALL better off\n";
        assert_eq!(Screen::pipe().with_verdicts(text), text);
        assert_eq!(
            Screen::pipe().coloured().with_verdicts(text),
            "\x1b[31mOVER\x1b[0m  h2: WORSE than\n goodput 0.9 \x1b[31mWORSE\x1b[0m\nOVERALL better off\n"
        );
    }

    #[test]
    fn only_the_headword_of_a_warning_is_painted() {
        let screen = Screen::terminal(20);
        assert_eq!(screen.headed(Tone::Warning, "Warning", "no cores."), "Warning: no cores.\n");
        assert_eq!(
            screen.coloured().headed(Tone::Warning, "Warning", "no cores at all."),
            "\x1b[33mWarning\x1b[0m: no cores at\n  all.\n"
        );
        assert_eq!(Screen::pipe().coloured().paint(Tone::Bad, "failed"), "\x1b[31mfailed\x1b[0m");
    }
}
