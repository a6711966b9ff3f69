//! The controls of a proof: ends whose memory behaves in a known way. An instrument that does not notice this behaviour
//! proves nothing.

use record::{ByteSize, Case, ChunkSize, H3_RECV, LimitValue, SinkKind};

use crate::exit::Usage;

/// The sizes of bodies that are kept whole: the smallest exceeds any budget, and the largest fits any machine.
const KEPT: [ByteSize; 3] = [ByteSize(32 << 20), ByteSize(64 << 20), ByteSize(128 << 20)];

/// The fewest rounds for a confidence interval over three sizes.
pub(super) const KEPT_ROUNDS: u32 = 2;

/// The rate of the slow reader. h3 buffers the body for such a reader even where h3 itself is slow, and the largest
/// body takes three seconds.
const READER: &str = "40MiB";

/// The size of the bodies of calibrated controls, of which little is kept. A run takes over a hundred samples of
/// memory.
const STREAMED: ByteSize = ByteSize(1 << 30);

/// The chunk of calibrated controls: a body of 1 GiB has 1,024 chunks, so that a twentieth of the least limit is still
/// a whole byte per chunk.
const CALIBRATED: u64 = 1 << 20;

/// Returns the cases that grow by the whole body: a receiver that collects the body before digesting it, and the stock
/// receive path of h3 with a slow reader.
///
/// # Errors
/// Fails if a limit or a rate is invalid.
pub(super) fn kept() -> Result<Vec<Case>, Usage> {
    let mut collecting = Case::new("h1c");
    collecting.sink = SinkKind::Collect;
    let mut stock = Case::new("h3");
    stock.reader_rate = Some(READER.parse().map_err(Usage::new)?);
    stock.limits.set(&H3_RECV, LimitValue::Choice("stock".into())).map_err(Usage::new)?;
    let with_bodies = |case: Case| {
        KEPT.map(|body| {
            let mut case = case.clone();
            case.body = body;
            case
        })
    };
    Ok([collecting, stock].into_iter().flat_map(with_bodies).collect())
}

/// Returns the cases whose slope is known: twice the limit, a twentieth of it, and a byte for each chunk of the usual
/// size.
///
/// # Errors
/// Fails if the chunk size is invalid.
pub(super) fn calibrated(limit: ByteSize) -> Result<Vec<Case>, Usage> {
    let per_chunk = limit.0 / ((1 << 30) / CALIBRATED);
    let calibrated = ChunkSize::try_from(CALIBRATED).map_err(Usage::new)?;
    let controls = [
        (per_chunk.saturating_mul(2), calibrated),
        ((per_chunk / 20).max(1), calibrated),
        (1, ChunkSize::DEFAULT),
    ];
    let keeping = controls.map(|(bytes, chunk)| {
        let mut case = Case::new("h1c");
        (case.sink, case.chunk, case.body) = (SinkKind::Keep(bytes), chunk, STREAMED);
        case
    });
    Ok(keeping.to_vec())
}

#[cfg(test)]
mod tests {
    use record::DEFAULT_SLOPE_LIMIT;

    use super::*;
    use crate::flags::LEAST_SLOPE_LIMIT;

    fn names(cases: &[Case]) -> Vec<String> {
        cases.iter().map(|case| case.key().to_string()).collect()
    }

    #[test]
    fn both_bodies_that_are_kept_have_three_sizes_and_names_that_say_why_they_grow() {
        let names = names(&kept().unwrap());
        assert_eq!(names.len(), 6);
        assert_eq!(names[0], "h1c/up/64KiB/32MiB+sink=collect");
        assert_eq!(names[5], "h3/up/64KiB/128MiB+reader=40MiB+h3-recv=stock");
    }

    #[test]
    fn calibrated_controls_keep_twice_the_limit_and_a_twentieth_of_it() {
        let expected = [
            "h1c/up/1MiB/1GiB+sink=keep:200",
            "h1c/up/1MiB/1GiB+sink=keep:5",
            "h1c/up/64KiB/1GiB+sink=keep:1",
        ];
        assert_eq!(names(&calibrated(DEFAULT_SLOPE_LIMIT).unwrap()), expected);
        assert_eq!(names(&calibrated(LEAST_SLOPE_LIMIT).unwrap())[1], "h1c/up/1MiB/1GiB+sink=keep:1");
    }
}
