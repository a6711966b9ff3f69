//! The time during which the senders of a merge ran together, and the senders that did not.

use std::{collections::BTreeMap, fmt};

use record::Record;
use serde::Serialize;

use super::{Sender, SenderKey};

/// The most senders that a text names.
const NAMED: usize = 5;

/// An interval by the clock of a sender, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The beginning of the interval.
    pub start_us: i64,
    /// The end of the interval.
    pub end_us: i64,
}

impl Span {
    /// Returns the interval of a run that started at `start_us`.
    fn of(record: &Record, start_us: i64) -> Self {
        let elapsed_us = (record.elapsed_s.unwrap_or(0.0) * 1e6) as i64;
        Self { start_us, end_us: start_us.saturating_add(elapsed_us.max(0)) }
    }

    fn with(self, other: Self) -> Self {
        Self { start_us: self.start_us.min(other.start_us), end_us: self.end_us.max(other.end_us) }
    }

    /// Returns the length in microseconds; 0 if the end is not after the start.
    pub fn length_us(self) -> u64 {
        if self.start_us < self.end_us { self.end_us.abs_diff(self.start_us) } else { 0 }
    }
}

/// The interval of each sender. All intervals must be known before the first record is added to a
/// [`Merge`](super::Merge).
#[derive(Debug, Default)]
pub struct Spans(pub(super) BTreeMap<SenderKey, Span>);

impl Spans {
    /// Adds a record whose run started at `start_us`, in microseconds since 1970.
    pub fn add(&mut self, record: &Record, start_us: i64) {
        let span = Span::of(record, start_us);
        self.0.entry(SenderKey::of(record)).and_modify(|known| *known = known.with(span)).or_insert(span);
    }

    /// Returns the interval during which every sender ran. Senders that never ran do not count.
    pub(super) fn common(&self) -> Option<Span> {
        let ran = || self.0.values().filter(|span| span.length_us() > 0);
        let start_us = ran().map(|span| span.start_us).max()?;
        let end_us = ran().map(|span| span.end_us).min()?;
        (start_us < end_us).then_some(Span { start_us, end_us })
    }
}

/// Senders that did not run together with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Apart {
    /// The sender that ended first, or the sender that started last.
    pub sender: String,
    /// The senders that started after the end of `sender`, or ended before its start. Each has the gap to `sender`, in
    /// microseconds.
    pub others: Vec<(String, u64)>,
    /// True if `others` started after the end of `sender`; false if they ended before its start.
    pub are_late: bool,
}

impl Apart {
    /// Returns the senders that kept all from running together; `None` if all ran together. Of the senders that started
    /// too late and those that ended too early, the smaller group counts.
    pub(super) fn among(senders: &[Sender]) -> Option<Self> {
        let ran = || senders.iter().filter(|sender| sender.span.length_us() > 0);
        let first = ran().min_by_key(|sender| sender.span.end_us)?;
        let last = ran().max_by_key(|sender| sender.span.start_us)?;
        if last.span.start_us < first.span.end_us {
            return None;
        }
        let gap = |later: &Sender, earlier: &Sender| {
            let gap = later.span.start_us.checked_sub(earlier.span.end_us)?;
            u64::try_from(gap).ok()
        };
        let late: Vec<_> = ran().filter_map(|other| Some((other.to_string(), gap(other, first)?))).collect();
        let early: Vec<_> = ran().filter_map(|other| Some((other.to_string(), gap(last, other)?))).collect();
        Some(match late.len() <= early.len() {
            true => Self { sender: first.to_string(), others: late, are_late: true },
            false => Self { sender: last.to_string(), others: early, are_late: false },
        })
    }
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.others.iter().take(NAMED);
        let named: Vec<_> =
            named.map(|(other, gap_us)| format!("{other} by {:.1} s", *gap_us as f64 / 1e6)).collect();
        let more = self.others.len().saturating_sub(NAMED);
        let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (named, sender) = (named.join(", "), &self.sender);
        match self.are_late {
            true => write!(f, "{sender} had ended when others started: {named}{and_more}"),
            false => write!(f, "{sender} started when others had ended: {named}{and_more}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(host: &str, start_s: i64, end_s: i64) -> Sender {
        let span = Span { start_us: start_s * 1_000_000, end_us: end_s * 1_000_000 };
        Sender { host: host.into(), run_id: "r".into(), records: 1, bytes: 0, common_bytes: 0, span }
    }

    #[test]
    fn the_sender_that_is_apart_is_named_with_its_distance() {
        let together = [sender("a", 0, 10), sender("b", 2, 12), sender("c", 4, 14)];
        assert_eq!(Apart::among(&together), None);
        let said = |more: &[Sender]| Apart::among(&[&together, more].concat()).unwrap().to_string();
        assert_eq!(
            said(&[sender("late", 3610, 3620)]),
            "a (run r) had ended when others started: late (run r) by 3600.0 s"
        );
        let early = said(&[sender("early", -3600, -3590)]);
        assert_eq!(early, "c (run r) started when others had ended: early (run r) by 3594.0 s");
        let many: Vec<_> = (0..7).map(|number| sender(&number.to_string(), 20 + number, 30)).collect();
        let many = said(&many);
        assert!(many.starts_with(
            "6 (run r) started when others had ended: a (run r) by 16.0 s, b (run r) by 14.0 s"
        ));
        let late: Vec<_> = (0..7).map(|number| sender(&number.to_string(), 20, 30)).collect();
        let late = Apart::among(&[late, vec![sender("x", 0, 9); 8]].concat()).unwrap().to_string();
        assert!(late.ends_with("4 (run r) by 11.0 s and 2 more"), "{late}");
    }

    #[test]
    fn a_sender_whose_run_failed_at_once_is_not_apart() {
        assert_eq!(Apart::among(&[sender("a", 0, 10), sender("failed", 900, 900)]), None);
    }
}
