//! The file of ceilings: bounds on the memory of each end of each case.

mod suggest;
mod values;

use std::{fs, io, path::Path, path::PathBuf};

use record::{ByteSize, Case, Direction, End, Protocol, Record};
use serde::Deserialize;
use toml::Spanned;

pub use suggest::suggest;
pub use values::{Band, Drift};
use values::{Pattern, size};

/// The parsed file of ceilings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceilings {
    ceiling: Vec<Spanned<Ceiling>>,
    /// The records with whose peaks the peaks are compared; `None` if the file names none.
    pub drift: Option<Drift>,
    /// The line number of each ceiling, from 1.
    #[serde(skip)]
    lines: Vec<usize>,
}

/// One ceiling: bounds on the memory of the ends that it matches. If several ceilings match, the one with the fewest
/// `*` counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    protocol: Pattern<String>,
    #[serde(default)]
    direction: Pattern<Direction>,
    #[serde(default)]
    chunk: Pattern<ByteSize>,
    #[serde(default)]
    end: Pattern<End>,
    /// The highest allowed peak RSS; `None` for no bound.
    #[serde(default, deserialize_with = "size")]
    pub peak_rss: Option<ByteSize>,
    /// The highest allowed slope of peak RSS, per GiB of body; `None` for no bound.
    #[serde(default, deserialize_with = "size")]
    pub slope: Option<ByteSize>,
    /// True if the growth must stay within the budget that the record states.
    #[serde(default)]
    pub budget: bool,
}

/// A failure to read, interpret or write a file of ceilings.
#[derive(Debug, thiserror::Error)]
pub enum CeilingsError {
    /// The file cannot be read.
    #[error("cannot read ceilings {}: {source}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// The file is not valid, or contradicts itself.
    #[error("{}:{line}: {reason}", path.display())]
    Invalid {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The reason, with the name of the field.
        reason: String,
    },
    /// A suggested file of ceilings cannot be written.
    #[error("cannot write ceilings {}: {source}", path.display())]
    Unwritable {
        /// The path of the file.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
}

impl Ceilings {
    /// Reads a file of ceilings. The file may name the protocols of this version, and those of the `known` records, to
    /// which the ceilings will be applied.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not valid, or contradicts itself. The error names file, line and field.
    pub fn read(path: &Path, known: &[Record]) -> Result<Self, CeilingsError> {
        let text = fs::read_to_string(path)
            .map_err(|source| CeilingsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, known).map_err(|(line, reason)| CeilingsError::Invalid {
            path: path.to_owned(),
            line,
            reason,
        })
    }

    pub(crate) fn parse(text: &str, known: &[Record]) -> Result<Self, (usize, String)> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let mut ceilings: Self = toml::from_str(text)
            .map_err(|error| (error.span().map_or(1, |span| line(span.start)), error.message().to_owned()))?;
        ceilings.lines = ceilings.ceiling.iter().map(|ceiling| line(ceiling.span().start)).collect();
        ceilings.assert_sound(known)?;
        Ok(ceilings)
    }

    fn assert_sound(&self, known: &[Record]) -> Result<(), (usize, String)> {
        let all: Vec<_> = self.lines.iter().copied().zip(self.ceiling.iter().map(Spanned::get_ref)).collect();
        for (index, (line, ceiling)) in all.iter().enumerate() {
            ceiling.assert_complete(known).map_err(|reason| (*line, reason))?;
            if let Some((first, _)) = all[..index].iter().find(|(_, other)| ceiling.rivals(other)) {
                let reason = format!(
                    "ceiling: contradicts the one of line {first}: both hold for the same end of a case, and neither names it \
                     more exactly"
                );
                return Err((*line, reason));
            }
        }
        Ok(())
    }

    /// Returns the ceiling for one end of a case, with its position in the file; `None` if none matches.
    pub(crate) fn of(&self, case: &Case, end: End) -> Option<(usize, &Ceiling)> {
        let all = self.ceiling.iter().map(Spanned::get_ref).enumerate();
        all.filter(|(_, ceiling)| ceiling.matches(case, end)).min_by_key(|(_, ceiling)| ceiling.wildcards())
    }

    /// Returns the highest allowed peak RSS of one end of a case, in bytes; `None` without a bound.
    pub fn peak_rss(&self, case: &Case, end: End) -> Option<u64> {
        self.of(case, end)?.1.peak_rss.map(|size| size.0)
    }

    /// Returns the line numbers of the ceilings whose positions are not in `used`.
    pub(crate) fn unused(&self, used: &[usize]) -> Vec<usize> {
        let all = self.lines.iter().enumerate();
        all.filter(|(number, _)| !used.contains(number)).map(|(_, line)| *line).collect()
    }
}

impl Ceiling {
    fn assert_complete(&self, known: &[Record]) -> Result<(), String> {
        let Pattern::Is(name) = &self.protocol else { return self.assert_bound() };
        let is_known =
            Protocol::by_name(name).is_some() || known.iter().any(|record| record.case.protocol == *name);
        if is_known { self.assert_bound() } else { Err(format!("protocol: unknown protocol '{name}'")) }
    }

    fn assert_bound(&self) -> Result<(), String> {
        if self.peak_rss.is_none() && self.slope.is_none() && !self.budget {
            return Err("peak_rss, slope or budget = true: one of them must be given".into());
        }
        Ok(())
    }

    fn matches(&self, case: &Case, end: End) -> bool {
        self.protocol.matches(&case.protocol)
            && self.direction.matches(&case.direction)
            && self.chunk.matches(&case.chunk.into())
            && self.end.matches(&end)
    }

    fn wildcards(&self) -> usize {
        let any = [self.protocol.is_any(), self.direction.is_any(), self.chunk.is_any(), self.end.is_any()];
        any.into_iter().filter(|any| *any).count()
    }

    /// Returns whether one end can match both ceilings while both have equally many `*`.
    fn rivals(&self, other: &Self) -> bool {
        self.wildcards() == other.wildcards()
            && self.protocol.overlaps(&other.protocol)
            && self.direction.overlaps(&other.direction)
            && self.chunk.overlaps(&other.chunk)
            && self.end.overlaps(&other.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::run;

    fn error(text: &str) -> (usize, String) {
        Ceilings::parse(text, &[]).unwrap_err()
    }

    #[test]
    fn the_most_exact_ceiling_counts() {
        let text = r#"
            [[ceiling]]
            protocol = "*"
            budget = true
            [[ceiling]]
            protocol = "h3"
            end = "receiver"
            peak_rss = "16MiB"
            [[ceiling]]
            protocol = "h3"
            direction = "up"
            chunk = "64KiB"
            end = "receiver"
            slope = "1MiB"
        "#;
        let ceilings = Ceilings::parse(text, &[]).unwrap();
        let number = |protocol: &str, end| ceilings.of(&Case::new(protocol), end).unwrap().0;
        assert_eq!([number("h1", End::Sender), number("h3", End::Sender)], [0, 0]);
        assert_eq!(number("h3", End::Receiver), 2);
        assert_eq!(ceilings.unused(&[0, 2]), [5]);
    }

    #[test]
    fn mistakes_are_named_by_line_and_field() {
        let (line, message) = error("[[ceiling]]\nprotocol = \"h9\"\npeak_rss = \"1MiB\"\n");
        assert!(line == 1 && message.contains("unknown protocol 'h9'"), "{line}: {message}");
        let (line, message) = error("[[ceiling]]\nprotocol = \"h2\"\npeak = \"1MiB\"\n");
        assert!(line == 3 && message.contains("unknown field `peak`"), "{line}: {message}");
        let (line, message) = error("[[ceiling]]\nprotocol = \"h2\"\n\npeak_rss = \"lots\"\n");
        assert!(line == 4 && message.contains("'lots' is not a size"), "{line}: {message}");
        let (line, message) = error("[[ceiling]]\nprotocol = \"h2\"\n");
        assert!(line == 1 && message.contains("one of them must be given"), "{line}: {message}");
        let (_, message) = error("ceiling = []\n[drift]\nrecords = \"x\"\nband = \"-3%\"\n");
        assert!(message.contains("a percentage such as 10%"), "{message}");
    }

    #[test]
    fn a_protocol_that_only_the_records_know_may_have_a_ceiling() {
        let text = "[[ceiling]]\nprotocol = \"pigeon\"\nbudget = true\n";
        assert!(Ceilings::parse(text, &[]).is_err());
        assert!(Ceilings::parse(text, &[run("pigeon")]).is_ok());
    }

    #[test]
    fn ceilings_that_contradict_each_other_are_refused() {
        let same = "[[ceiling]]\nprotocol = \"h2\"\nbudget = true\n".repeat(2);
        let (line, message) = error(&same);
        assert!(line == 4 && message.contains("contradicts the one of line 1"), "{line}: {message}");
        let crossing = "[[ceiling]]\nprotocol = \"h2\"\ndirection = \"up\"\nbudget = true\n\
                        [[ceiling]]\nprotocol = \"h2\"\nend = \"sender\"\nbudget = true\n";
        assert!(error(crossing).1.contains("neither names it more exactly"));
        let apart = "[[ceiling]]\nprotocol = \"h2\"\ndirection = \"up\"\nbudget = true\n\
                     [[ceiling]]\nprotocol = \"h2\"\ndirection = \"down\"\nbudget = true\n";
        assert!(Ceilings::parse(apart, &[]).is_ok());
    }
}
