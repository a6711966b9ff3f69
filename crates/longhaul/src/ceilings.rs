//! The file of ceilings: which end of which case may take how much.

use std::{fs, path::Path, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error as _};
use toml::Spanned;

use crate::{
    case::Direction,
    exit::Usage,
    record::{CaseRecord, End},
    size::ByteSize,
};

/// A file of ceilings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ceilings {
    ceiling: Vec<Spanned<Ceiling>>,
    pub(crate) drift: Option<Drift>,
    /// The line of each ceiling, from 1.
    #[serde(skip)]
    lines: Vec<usize>,
}

/// What some ends may take. Where several match, the one with the fewest `*` counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ceiling {
    protocol: Pattern<String>,
    #[serde(default)]
    direction: Pattern<Direction>,
    #[serde(default)]
    chunk: Pattern<ByteSize>,
    #[serde(default)]
    end: Pattern<End>,
    /// The most that may be resident.
    #[serde(default, deserialize_with = "size")]
    pub(crate) peak_rss: Option<ByteSize>,
    /// The most that peak RSS may rise for each GiB of body.
    #[serde(default, deserialize_with = "size")]
    pub(crate) slope: Option<ByteSize>,
    /// Whether the growth must stay within the budget that the record states.
    #[serde(default)]
    pub(crate) budget: bool,
}

/// How far peaks may be from those of other records, up or down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drift {
    /// A file of records or a folder of results, from where the file of ceilings stands.
    pub(crate) records: PathBuf,
    pub(crate) band: Band,
}

/// A size, or a part of what is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Band {
    Bytes(ByteSize),
    Percent(f64),
}

/// One value, or `*` for all.
#[derive(Clone, Debug, Default, PartialEq)]
enum Pattern<T> {
    #[default]
    Any,
    Is(T),
}

impl<T: PartialEq> Pattern<T> {
    fn matches(&self, value: &T) -> bool {
        match self {
            Self::Any => true,
            Self::Is(own) => own == value,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match other {
            Self::Any => true,
            Self::Is(value) => self.matches(value),
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

impl Ceilings {
    /// # Errors
    /// [`Usage`], naming file, line and field, if the file cannot be read, is damaged, or contradicts itself.
    pub(crate) fn read(path: &Path) -> Result<Self, Usage> {
        let text = fs::read_to_string(path)
            .map_err(|error| Usage(format!("cannot read ceilings {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|(line, error)| Usage(format!("{}:{line}: {error}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let mut ceilings: Self = toml::from_str(text)
            .map_err(|error| (error.span().map_or(1, |span| line(span.start)), error.message().to_owned()))?;
        ceilings.lines = ceilings.ceiling.iter().map(|ceiling| line(ceiling.span().start)).collect();
        ceilings.assert_sound()?;
        Ok(ceilings)
    }

    fn assert_sound(&self) -> Result<(), (usize, String)> {
        let all: Vec<_> = self.lines.iter().copied().zip(self.ceiling.iter().map(Spanned::get_ref)).collect();
        for (index, (line, ceiling)) in all.iter().enumerate() {
            if let Pattern::Is(name) = &ceiling.protocol
                && transport::by_name(name).is_none()
            {
                return Err((*line, format!("protocol: unknown protocol '{name}'")));
            }
            if ceiling.peak_rss.is_none() && ceiling.slope.is_none() && !ceiling.budget {
                return Err((*line, "peak_rss, slope or budget = true: one of them must be given".into()));
            }
            if let Some((first, _)) = all[..index].iter().find(|(_, other)| ceiling.rivals(other)) {
                let which = "the same end of a case, and neither names it more exactly";
                return Err((
                    *line,
                    format!("ceiling: contradicts the one of line {first}: both hold for {which}"),
                ));
            }
        }
        Ok(())
    }

    /// The ceiling for one end of a case, and its number.
    pub(crate) fn of(&self, case: &CaseRecord, end: End) -> Option<(usize, &Ceiling)> {
        let all = self.ceiling.iter().map(Spanned::get_ref).enumerate();
        all.filter(|(_, ceiling)| ceiling.matches(case, end)).min_by_key(|(_, ceiling)| ceiling.stars())
    }

    /// The most that may be resident of one end of a case, in bytes.
    pub(crate) fn peak_rss(&self, case: &CaseRecord, end: End) -> Option<u64> {
        self.of(case, end)?.1.peak_rss.map(|size| size.0)
    }

    /// The lines of the ceilings whose numbers are not among `used`.
    pub(crate) fn unused(&self, used: &[usize]) -> Vec<usize> {
        let all = self.lines.iter().enumerate();
        all.filter(|(number, _)| !used.contains(number)).map(|(_, line)| *line).collect()
    }
}

impl Ceiling {
    fn matches(&self, case: &CaseRecord, end: End) -> bool {
        self.protocol.matches(&case.protocol)
            && self.direction.matches(&case.direction)
            && self.chunk.matches(&ByteSize(case.chunk_bytes))
            && self.end.matches(&end)
    }

    fn stars(&self) -> usize {
        let any = [self.protocol.is_any(), self.direction.is_any(), self.chunk.is_any(), self.end.is_any()];
        any.into_iter().filter(|any| *any).count()
    }

    /// Whether some end of some case has both as its most exact ceiling.
    fn rivals(&self, other: &Self) -> bool {
        self.stars() == other.stars()
            && self.protocol.overlaps(&other.protocol)
            && self.direction.overlaps(&other.direction)
            && self.chunk.overlaps(&other.chunk)
            && self.end.overlaps(&other.end)
    }
}

impl<'a, T: FromPattern> Deserialize<'a> for Pattern<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "*" { Ok(Self::Any) } else { T::read(&text).map(Self::Is).map_err(D::Error::custom) }
    }
}

/// What a pattern can be of.
trait FromPattern: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl FromPattern for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromPattern for ByteSize {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromPattern for Direction {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            _ => Err(format!("direction '{text}' must be up, down or *")),
        }
    }
}

impl FromPattern for End {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "sender" => Ok(Self::Sender),
            "receiver" => Ok(Self::Receiver),
            _ => Err(format!("end '{text}' must be sender, receiver or *")),
        }
    }
}

fn size<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

impl<'a> Deserialize<'a> for Band {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Band {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').map(|number| number.trim().parse::<f64>());
        match percent {
            None => text.parse().map(Self::Bytes),
            Some(Ok(percent)) if percent > 0.0 && percent.is_finite() => Ok(Self::Percent(percent)),
            Some(_) => Err(format!("band '{text}' must be a size or a percentage such as 10%")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::tests::plain;

    fn error(text: &str) -> (usize, String) {
        Ceilings::parse(text).unwrap_err()
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
        let ceilings = Ceilings::parse(text).unwrap();
        let number = |protocol: &str, end| ceilings.of(&CaseRecord::from(&plain(protocol)), end).unwrap().0;
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
        assert!(line == 4 && message.contains("'lots' is no size"), "{line}: {message}");
        let (line, message) = error("[[ceiling]]\nprotocol = \"h2\"\n");
        assert!(line == 1 && message.contains("one of them must be given"), "{line}: {message}");
        let (_, message) = error("ceiling = []\n[drift]\nrecords = \"x\"\nband = \"-3%\"\n");
        assert!(message.contains("a percentage such as 10%"), "{message}");
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
        assert!(Ceilings::parse(apart).is_ok());
    }
}
