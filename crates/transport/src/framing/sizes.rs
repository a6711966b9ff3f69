//! A histogram of sizes.

use record::FrameSizes;

/// The number of bits after the highest one of a size that select its bucket. A bucket then spans at most 1/32 of its
/// sizes.
const BITS: u32 = 5;

/// A histogram whose buckets know the largest size that they hold. A percentile is the largest size of its bucket: a
/// size that occurred, never too small, and exact if all sizes of the bucket are equal. Count, sum, smallest and
/// largest size are exact.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    count: u64,
    total: u64,
    min: u64,
    max: u64,
    /// The buckets up to that of the largest size: 30 KiB for all 64 bits, and 7 KiB for sizes up to 64 KiB.
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    count: u64,
    largest: u64,
}

impl Sizes {
    /// Adds `count` pieces of `size` bytes.
    pub(super) fn add(&mut self, size: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.min = if self.count == 0 { size } else { self.min.min(size) };
        self.max = self.max.max(size);
        self.count = self.count.saturating_add(count);
        self.total = self.total.saturating_add(size.saturating_mul(count));
        let index = index(size);
        if index >= self.buckets.len() {
            self.buckets.resize(index.saturating_add(1), Bucket::default());
        }
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.count = bucket.count.saturating_add(count);
            bucket.largest = bucket.largest.max(size);
        }
    }

    /// Returns the summary; `None` without any piece.
    pub(super) fn summary(&self) -> Option<FrameSizes> {
        (self.count > 0).then(|| FrameSizes {
            count: self.count,
            total_bytes: self.total,
            min: self.min,
            p50: self.percentile(50),
            p99: self.percentile(99),
            max: self.max,
        })
    }

    /// Returns the size that `percent` of the pieces do not exceed.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = u128::from(self.count).saturating_mul(percent.into()).div_ceil(100);
        let mut seen = 0_u128;
        for bucket in &self.buckets {
            seen = seen.saturating_add(bucket.count.into());
            if seen >= rank && bucket.count > 0 {
                return bucket.largest;
            }
        }
        self.max
    }
}

/// Returns the position of a size's bucket: 32 buckets for each power of two, and one for each size below 64.
fn index(size: u64) -> usize {
    let shift = (u64::BITS - size.leading_zeros()).saturating_sub(BITS + 1);
    ((shift as usize) << BITS) + (size >> shift) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(sizes: &[u64]) -> Option<FrameSizes> {
        let mut all = Sizes::default();
        sizes.iter().for_each(|size| all.add(*size, 1));
        all.summary()
    }

    #[test]
    fn one_size_is_exact_in_every_figure_and_no_size_has_no_figures() {
        assert_eq!(of(&[]), None);
        for size in [0, 1, 1_452, 16_384, 16_401, 65_536, 64 << 20, u64::MAX / 4] {
            let all = of(&[size; 3]).unwrap();
            assert_eq!((all.count, all.total_bytes), (3, size * 3));
            assert_eq!([all.min, all.p50, all.p99, all.max], [size; 4]);
        }
    }

    #[test]
    fn a_rare_size_shows_in_the_extremes_alone() {
        let mut sizes = vec![1_452; 198];
        sizes.extend([40, 1_200]);
        let all = of(&sizes).unwrap();
        assert_eq!((all.min, all.p50, all.p99, all.max), (40, 1_452, 1_452, 1_452));
    }

    #[test]
    fn buckets_follow_each_other_up_to_the_largest_size() {
        let indices: Vec<usize> = (0..4096).map(index).collect();
        assert!(indices.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{indices:?}");
        assert_eq!((index(0), index(63), index(64), index(65)), (0, 63, 64, 64));
        assert_eq!(index(u64::MAX), 1919);
    }

    proptest! {
        #[test]
        fn percentiles_occurred_and_are_at_most_a_thirty_second_too_large(
            mut sizes in proptest::collection::vec(0_u64..200_000, 1..400),
        ) {
            let all = of(&sizes).unwrap();
            sizes.sort_unstable();
            for (percent, found) in [(50, all.p50), (99, all.p99)] {
                let exact = sizes[(sizes.len() * percent).div_ceil(100) - 1];
                prop_assert!(sizes.contains(&found));
                prop_assert!(exact <= found && found <= exact + exact / 32, "{exact} {found}");
            }
            prop_assert_eq!(all.total_bytes, sizes.iter().sum::<u64>());
            prop_assert_eq!((all.min, all.max), (sizes[0], sizes[sizes.len() - 1]));
        }
    }
}
