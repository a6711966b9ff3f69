//! The passes of a round, and the rows that are computed from them.

use record::{Case, LimitValue, QUIC_MTU};

/// A bench of one round.
pub(super) struct Pass {
    pub(super) protocols: &'static str,
    pub(super) sink: &'static str,
    pub(super) limits: &'static [&'static str],
}

/// The passes of a round. The two sides of a ratio are in one pass, or in two that are close to each other.
pub(super) static PASSES: &[Pass] = &[
    Pass { protocols: "tcp,h1c,h2c", sink: "discard", limits: &[] },
    Pass { protocols: "tcp,h1c,h2c", sink: "verify", limits: &[] },
    Pass { protocols: "tls,h1,h2", sink: "discard", limits: &[] },
    Pass { protocols: "tls,h1,h2", sink: "verify", limits: &[] },
    Pass { protocols: "quic,h3", sink: "discard", limits: &[] },
    Pass { protocols: "h3", sink: "discard", limits: &["--quic-mtu", "6400"] },
    Pass { protocols: "h3", sink: "verify", limits: &[] },
];

/// The larger packets of the last row, in bytes: about the largest that MTU discovery finds on loopback by default.
const LARGE_PACKETS: LimitValue = LimitValue::Bytes(6400);

/// One side of a ratio.
pub(super) struct Side {
    protocol: &'static str,
    sink: &'static str,
    has_large_packets: bool,
}

impl Side {
    /// Bodies that the receiver drops.
    pub(super) const fn plain(protocol: &'static str) -> Self {
        Self { protocol, sink: "discard", has_large_packets: false }
    }

    /// Bodies that the receiver digests.
    const fn verified(protocol: &'static str) -> Self {
        Self { protocol, sink: "verify", has_large_packets: false }
    }

    /// Returns whether a case belongs to it.
    pub(super) fn is(&self, case: &Case) -> bool {
        case.protocol == self.protocol
            && case.sink.to_string() == self.sink
            && (case.limits.get(&QUIC_MTU) == LARGE_PACKETS) == self.has_large_packets
    }
}

/// One ratio.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) candidate: Side,
    pub(super) base: Side,
    /// The least ratio that this project holds itself to. It is met if the lower end of the interval meets it.
    pub(super) aim: f64,
}

const fn over_baseline(name: &'static str, protocol: &'static str, baseline: &'static str, aim: f64) -> Row {
    Row { name, candidate: Side::plain(protocol), base: Side::plain(baseline), aim }
}

const fn verifying(name: &'static str, protocol: &'static str, aim: f64) -> Row {
    Row { name, candidate: Side::verified(protocol), base: Side::plain(protocol), aim }
}

/// The ratios.
pub(super) static ROWS: &[Row] = &[
    over_baseline("h1c/tcp", "h1c", "tcp", 0.95),
    over_baseline("h2c/tcp", "h2c", "tcp", 0.90),
    over_baseline("h1/tls", "h1", "tls", 0.95),
    over_baseline("h2/tls", "h2", "tls", 0.85),
    over_baseline("h3/quic", "h3", "quic", 0.95),
    verifying("tcp verify/discard", "tcp", 0.85),
    verifying("h1c verify/discard", "h1c", 0.85),
    verifying("h2c verify/discard", "h2c", 0.85),
    verifying("tls verify/discard", "tls", 0.90),
    verifying("h1 verify/discard", "h1", 0.90),
    verifying("h2 verify/discard", "h2", 0.90),
    verifying("h3 verify/discard", "h3", 0.97),
    Row {
        name: "h3 MTU 6400/1452",
        candidate: Side { protocol: "h3", sink: "discard", has_large_packets: true },
        base: Side::plain("h3"),
        aim: 2.4,
    },
];

#[cfg(test)]
mod tests {
    use record::SinkKind;

    use super::*;

    #[test]
    fn a_side_knows_its_cases_by_protocol_sink_and_packets() {
        let mut case = Case::new("h3");
        assert!(Side::verified("h3").is(&case) && !Side::plain("h3").is(&case));
        case.sink = SinkKind::Discard;
        assert!(Side::plain("h3").is(&case) && !Side::plain("h2").is(&case));
        case.limits.set(&QUIC_MTU, LARGE_PACKETS).unwrap();
        assert!(!Side::plain("h3").is(&case));
        assert!(ROWS.iter().any(|row| row.candidate.is(&case)));
    }

    #[test]
    fn every_row_is_measured() {
        for Row { name, candidate, base, .. } in ROWS {
            for side in [candidate, base] {
                let is_made = |pass: &&Pass| {
                    let is_large = pass.limits.contains(&"6400");
                    pass.protocols.split(',').any(|protocol| protocol == side.protocol)
                        && (pass.sink, is_large) == (side.sink, side.has_large_packets)
                };
                assert_eq!(PASSES.iter().filter(is_made).count(), 1, "{name}");
            }
        }
    }
}
