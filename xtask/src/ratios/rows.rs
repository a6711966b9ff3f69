//! The passes of a round, and the rows that are computed from them.

use record::{Case, LimitValue, QUIC_MTU};

/// A pass: one bench of a round.
pub(super) struct Pass {
    pub(super) protocols: &'static str,
    pub(super) sink: &'static str,
    pub(super) limits: &'static [&'static str],
    /// True if the runs of iperf3 follow.
    pub(super) has_iperf3: bool,
}

const fn pass(protocols: &'static str, sink: &'static str) -> Pass {
    Pass { protocols, sink, limits: &[], has_iperf3: false }
}

/// The passes of a round. The two sides of a ratio are in one pass, or in two that are close to each other.
pub(super) static PASSES: &[Pass] = &[
    Pass { has_iperf3: true, ..pass("tcp,h1c,h2c,tcp-ceiling", "discard") },
    pass("tcp,h1c,h2c", "verify"),
    pass("tls,h1,h2,tls-ceiling", "discard"),
    pass("tls,h1,h2", "verify"),
    pass("quic,h3,quic-ceiling", "discard"),
    Pass { limits: &["--quic-mtu", "6400"], ..pass("h3", "discard") },
    pass("h3", "verify"),
];

/// The size of the larger packets of the last row, in bytes: about the largest that MTU discovery finds on loopback by
/// default.
const LARGE_PACKETS: LimitValue = LimitValue::Bytes(6400);

/// One side of a ratio.
pub(super) enum Side {
    /// Bodies that longhaul carries.
    Bodies(Bodies),
    /// The bodies that iperf3 carries.
    Iperf3,
}

/// Bodies over a protocol.
pub(super) struct Bodies {
    protocol: &'static str,
    sink: &'static str,
    has_large_packets: bool,
}

impl Side {
    /// Returns bodies that the receiver discards.
    const fn plain(protocol: &'static str) -> Self {
        Self::Bodies(Bodies { protocol, sink: "discard", has_large_packets: false })
    }

    /// Returns bodies that the receiver digests.
    const fn verified(protocol: &'static str) -> Self {
        Self::Bodies(Bodies { protocol, sink: "verify", has_large_packets: false })
    }

    /// Returns whether this side is the ceiling of a carrier.
    pub(super) fn is_ceiling(&self) -> bool {
        matches!(self, Self::Bodies(bodies) if bodies.protocol.ends_with("-ceiling"))
    }
}

impl Bodies {
    /// Returns whether a case belongs to these bodies.
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
    /// The least ratio that this project aims at; `None` for a ratio without an aim.
    pub(super) aim: Option<f64>,
}

const fn over(name: &'static str, protocol: &'static str, base: &'static str, aim: Option<f64>) -> Row {
    Row { name, candidate: Side::plain(protocol), base: Side::plain(base), aim }
}

const fn verifying(name: &'static str, protocol: &'static str) -> Row {
    Row { name, candidate: Side::verified(protocol), base: Side::plain(protocol), aim: None }
}

/// The ratios. HTTP/3 has no aim relative to its ceiling, which is bare datagrams without encryption or
/// acknowledgements.
pub(super) static ROWS: &[Row] = &[
    over("h1c/tcp", "h1c", "tcp", Some(0.95)),
    over("h2c/tcp", "h2c", "tcp", Some(0.90)),
    over("h1/tls", "h1", "tls", Some(0.95)),
    over("h2/tls", "h2", "tls", Some(0.85)),
    over("h3/quic", "h3", "quic", Some(0.95)),
    over("h1c/tcp-ceiling", "h1c", "tcp-ceiling", Some(0.85)),
    over("h2c/tcp-ceiling", "h2c", "tcp-ceiling", Some(0.80)),
    over("h1/tls-ceiling", "h1", "tls-ceiling", Some(0.90)),
    over("h2/tls-ceiling", "h2", "tls-ceiling", Some(0.85)),
    over("h3/quic-ceiling", "h3", "quic-ceiling", None),
    over("tcp/tcp-ceiling", "tcp", "tcp-ceiling", None),
    over("tls/tls-ceiling", "tls", "tls-ceiling", None),
    over("quic/quic-ceiling", "quic", "quic-ceiling", None),
    Row { base: Side::Iperf3, ..over("tcp-ceiling/iperf3", "tcp-ceiling", "", Some(1.0)) },
    Row { base: Side::Iperf3, ..over("tcp/iperf3", "tcp", "", None) },
    verifying("tcp verify/discard", "tcp"),
    verifying("h1c verify/discard", "h1c"),
    verifying("h2c verify/discard", "h2c"),
    verifying("tls verify/discard", "tls"),
    verifying("h1 verify/discard", "h1"),
    verifying("h2 verify/discard", "h2"),
    verifying("h3 verify/discard", "h3"),
    Row {
        name: "h3 MTU 6400/1452",
        candidate: Side::Bodies(Bodies { protocol: "h3", sink: "discard", has_large_packets: true }),
        base: Side::plain("h3"),
        aim: None,
    },
];

#[cfg(test)]
mod tests {
    use record::SinkKind;

    use super::*;

    fn bodies(side: &Side) -> Option<&Bodies> {
        match side {
            Side::Bodies(bodies) => Some(bodies),
            Side::Iperf3 => None,
        }
    }

    #[test]
    fn a_side_knows_its_cases_by_protocol_sink_and_packets() {
        let is = |side: Side, case: &Case| bodies(&side).unwrap().is(case);
        let mut case = Case::new("h3");
        assert!(is(Side::verified("h3"), &case) && !is(Side::plain("h3"), &case));
        case.sink = SinkKind::Discard;
        assert!(is(Side::plain("h3"), &case) && !is(Side::plain("h2"), &case));
        case.limits.set(&QUIC_MTU, LARGE_PACKETS).unwrap();
        assert!(!is(Side::plain("h3"), &case));
        assert!(ROWS.iter().filter_map(|row| bodies(&row.candidate)).any(|bodies| bodies.is(&case)));
    }

    #[test]
    fn every_row_is_measured_once_a_round() {
        for Row { name, candidate, base, .. } in ROWS {
            for side in [candidate, base].into_iter().filter_map(bodies) {
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
