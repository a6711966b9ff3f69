//! The control of a proof: two ends that grow on purpose. An instrument that does not notice them proves nothing.

use record::{ByteSize, Case, H3_RECV, LimitValue, SinkKind};

use crate::exit::Usage;

/// The body sizes: the smallest exceeds any budget, and the largest fits any machine.
const BODIES: [ByteSize; 3] = [ByteSize(64 << 20), ByteSize(128 << 20), ByteSize(256 << 20)];

/// The rounds needed for an interval over three sizes.
pub(super) const ROUNDS: u32 = 3;

/// The rate of the slow reader: h3 buffers the body before it, and the largest body takes three seconds.
const READER: &str = "100MiB";

/// The cases: a receiver that collects the body before it digests it, and the stock receive path of h3 with a slow
/// reader.
///
/// # Errors
/// A limit or a rate is invalid.
pub(super) fn cases() -> Result<Vec<Case>, Usage> {
    let mut collecting = Case::new("h1c");
    collecting.sink = SinkKind::Collect;
    let mut stock = Case::new("h3");
    stock.reader_rate = Some(READER.parse().map_err(Usage::new)?);
    stock.limits.set(&H3_RECV, LimitValue::Choice("stock".into())).map_err(Usage::new)?;
    let with_bodies = |case: Case| {
        BODIES.map(|body| {
            let mut case = case.clone();
            case.body = body;
            case
        })
    };
    Ok([collecting, stock].into_iter().flat_map(with_bodies).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_controls_have_three_sizes_and_names_that_say_why_they_grow() {
        let names: Vec<_> = cases().unwrap().iter().map(|case| case.key().to_string()).collect();
        assert_eq!(names.len(), 6);
        assert_eq!(names[0], "h1c/up/64KiB/64MiB+sink=collect");
        assert_eq!(names[5], "h3/up/64KiB/256MiB+reader=100MiB+h3-recv=stock");
    }
}
