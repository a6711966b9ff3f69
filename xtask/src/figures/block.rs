//! The parts of a Markdown file: text, and figures with their template.

use anyhow::{Context as _, Result, ensure};

/// The start of the comment that begins a block of figures.
const BEGIN: &str = "<!-- figures: ";

/// The end of that comment, after the template.
const FILLED: &str = "\n-->\n";

/// The comment that ends a block of figures.
const END: &str = "<!-- end of figures -->";

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Text that is kept unchanged.
    Text(&'t str),
    /// A block of figures, without its old text.
    Figures {
        /// The comment with the template, up to the start of the figures.
        comment: &'t str,
        /// The folder of the records.
        folder: &'t str,
        /// The template.
        template: &'t str,
        /// The comment that ends the figures.
        end: &'t str,
    },
}

/// Splits a text into its parts.
///
/// # Errors
/// Fails if a comment has no end.
pub(super) fn parts(mut text: &str) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while let Some(begin) = text.find(BEGIN) {
        let (before, figures) = text.split_at(begin);
        let head = figures.lines().next().unwrap_or_default();
        let template_ends = figures.find(FILLED).with_context(|| format!("'{head}' has no line -->"))?;
        let comment = figures.get(..template_ends + FILLED.len()).context("a comment is cut")?;
        let inner = comment.get(BEGIN.len()..template_ends).context("a comment is cut")?;
        let (folder, template) =
            inner.split_once('\n').with_context(|| format!("'{head}' has no template below it"))?;
        let rest = figures.get(comment.len()..).unwrap_or_default();
        let end = rest.find(END).with_context(|| format!("'{head}' has no {END}"))?;
        ensure!(!rest.get(..end).unwrap_or_default().contains(BEGIN), "'{head}' has no {END}");
        parts.push(Part::Text(before));
        parts.push(Part::Figures { comment, folder: folder.trim(), template, end: END });
        text = rest.get(end + END.len()..).unwrap_or_default();
    }
    parts.push(Part::Text(text));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_from_the_text_around_them() {
        let text = "before\n<!-- figures: results/x\na {b}\nc\n-->\nold\n<!-- end of figures -->\nafter";
        let parts = parts(text).unwrap();
        let figures = Part::Figures {
            comment: "<!-- figures: results/x\na {b}\nc\n-->\n",
            folder: "results/x",
            template: "a {b}\nc",
            end: END,
        };
        assert_eq!(parts, [Part::Text("before\n"), figures, Part::Text("\nafter")]);
    }

    #[test]
    fn a_comment_without_an_end_is_an_error() {
        let nested = "<!-- figures: a\nx\n-->\n<!-- figures: b\ny\n-->\n<!-- end of figures -->";
        for text in ["<!-- figures: a\nx", "<!-- figures: a\nx\n-->\nold", "<!-- figures: a\n-->\n", nested] {
            assert!(parts(text).is_err(), "{text}");
        }
        assert_eq!(parts("no figures").unwrap(), [Part::Text("no figures")]);
    }
}
