//! The sum of distributions, and the distributions that cannot be added up.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::distribution::{DIGITS, HIGHEST, Unreadable, decode, encode};

/// Distributions that are not part of a sum, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The reason.
    pub reason: String,
    /// The number of distributions.
    pub distributions: u64,
    /// The first sender with such a distribution, in the order of names.
    pub sender: String,
}

/// The distributions that are left out, by reason.
#[derive(Debug, Default)]
pub(super) struct LeftOuts(BTreeMap<Unreadable, (u64, String)>);

impl LeftOuts {
    pub(super) fn add(&mut self, reason: Unreadable, distributions: u64, sender: &str) {
        let (number, first) = self.0.entry(reason).or_insert_with(|| (0, sender.to_owned()));
        *number += distributions;
        if sender < first.as_str() {
            sender.clone_into(first);
        }
    }

    pub(super) fn listed(self) -> Vec<LeftOut> {
        let left_out = |(reason, (distributions, sender)): (Unreadable, (u64, String))| LeftOut {
            reason: reason.to_string(),
            distributions,
            sender,
        };
        self.0.into_iter().map(left_out).collect()
    }
}

/// A sum of histograms, which is empty at first. Its range is HdrHistogram's own limit, so that the sum does not depend
/// on which histogram is first.
#[derive(Debug, Default)]
pub(super) struct Sum {
    histogram: Option<Histogram<u64>>,
    added: u64,
    first: String,
}

impl Sum {
    /// Adds the encoded histogram of a sender, without loss of precision.
    pub(super) fn add(&mut self, encoded: Option<&str>, sender: &str) -> Result<(), Unreadable> {
        let other = decode(encoded.ok_or(Unreadable::Missing)?)?;
        if self.histogram.is_none() {
            let empty = Histogram::new_with_bounds(1, HIGHEST, DIGITS).map_err(|_| Unreadable::Sum)?;
            (self.histogram, self.first) = (Some(empty), sender.to_owned());
        }
        let sum = self.histogram.as_mut().ok_or(Unreadable::Sum)?;
        sum.add(&other).map_err(|_| Unreadable::Counts)?;
        self.added += 1;
        if sender < self.first.as_str() {
            sender.clone_into(&mut self.first);
        }
        Ok(())
    }

    /// Returns the encoded sum; `None` without a histogram. If the sum has more values than the format takes, returns
    /// `None` and adds its histograms to `left_out`.
    pub(super) fn encoded(self, left_out: &mut LeftOuts) -> Option<String> {
        let encoded = encode(self.histogram.as_ref()?);
        encoded.map_err(|reason| left_out.add(reason, self.added, &self.first)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::distribution::tests::{counts, histogram};

    fn sum<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
        let mut sum = Sum::default();
        texts.into_iter().for_each(|text| sum.add(Some(text), "a").unwrap());
        sum.encoded(&mut LeftOuts::default()).unwrap()
    }

    proptest! {
        #[test]
        fn sums_of_sums_in_any_order_have_every_value(
            all in prop::collection::vec(prop::collection::vec(1_u64..3_600_000_000_000, 1..20), 2..9),
            cut in 1_usize..8,
            turn in 0_usize..8,
        ) {
            let mut texts: Vec<String> = all.iter().map(|values| encode(&histogram(values)).unwrap()).collect();
            let whole = sum(&texts);
            let values: Vec<u64> = all.concat();
            prop_assert_eq!(counts(&decode(&whole).unwrap()), counts(&histogram(&values)));
            let cut = cut.min(texts.len() - 1);
            let (left, right) = texts.split_at(cut);
            prop_assert_eq!(&sum([&sum(left), &sum(right)]), &whole);
            prop_assert_eq!(&sum(left.iter().chain([&sum(right)])), &whole);
            let turn = turn % texts.len();
            texts.rotate_left(turn);
            prop_assert_eq!(&sum(&texts), &whole);
            texts.reverse();
            prop_assert_eq!(&sum(&texts), &whole);
        }
    }

    #[test]
    fn a_sum_beyond_the_format_is_left_out_whole() {
        let mut most = histogram(&[]);
        most.record_n(7, 1 << 48).unwrap();
        let (text, mut sum, mut left_out) = (encode(&most).unwrap(), Sum::default(), LeftOuts::default());
        for sender in ["b", "a"].iter().cycle().take(1 << 15) {
            sum.add(Some(&text), sender).unwrap();
        }
        assert_eq!(sum.encoded(&mut left_out), None);
        let left_out = left_out.listed();
        assert_eq!((left_out[0].distributions, left_out[0].sender.as_str()), (1 << 15, "a"));
    }
}
