//! The estimated time of a run on an ordinary machine, for use before any measurement.

use std::time::Duration;

use record::{Case, Protocol, Rate};

/// The seconds from one transfer to the next: two process starts, a handshake, and measuring the distance of the cores.
/// Measured: 0.07 s with a certificate, 0.01 s without.
const BETWEEN: f64 = 0.07;

/// The seconds that a sender takes for each chunk, in addition to those for its bytes. The value lies between 0.3 µs of
/// HTTP/2 and 4 µs of one system call per chunk.
const CHUNK: f64 = 1e-6;

/// The round trips without a body in a run over an emulated network: three pings, the handshakes of TCP and TLS,
/// request and receipt.
const ROUND_TRIPS: f64 = 6.0;

/// Returns the estimated time from the start of a run of `case` to the start of the next run. The rates were measured
/// on a virtual machine with two cores of a processor of 2025 (`results/2026-11-26-epyc-2-cores`).
pub fn nominal_time(case: &Case) -> Duration {
    /// The rates in bytes per second: in cleartext, encrypted over TCP, and over QUIC.
    const RATES: [f64; 3] = [5.0e9, 2.8e9, 1.0e9];
    let (bytes, bodies) = (case.total_bytes() as f64, case.bodies() as f64);
    let [clear, encrypted, quic] = RATES;
    let rate = match Protocol::by_name(&case.protocol) {
        Some(protocol) if protocol.is_encrypted() && protocol.is_over_udp() => quic,
        Some(protocol) if protocol.is_encrypted() => encrypted,
        _ => clear,
    };
    let limited = |limit: Option<Rate>| {
        let rate = limit.map_or(f64::INFINITY, |rate| rate.bytes_per_s() as f64);
        bytes / (bodies * rate)
    };
    let unlimited = bytes / rate + CHUNK * bytes / case.chunk.get() as f64;
    let network = case.network.unwrap_or_default();
    let carried = network.rate.map_or(0.0, |rate| bytes / rate.bytes_per_s());
    let transfer = unlimited.max(limited(case.reader_rate)).max(limited(case.limit_rate)).max(carried)
        + ROUND_TRIPS * network.rtt.as_secs_f64();
    let moving = Duration::try_from_secs_f64(BETWEEN + transfer).unwrap_or(Duration::MAX);
    moving.saturating_add(case.reader_stall.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(change: impl FnOnce(&mut Case)) -> f64 {
        let mut case = Case::new("h1c");
        change(&mut case);
        nominal_time(&case).as_secs_f64()
    }

    #[test]
    fn more_bytes_smaller_chunks_encryption_and_slow_ends_take_longer() {
        let plain = seconds(|_| {});
        assert!((0.1..2.0).contains(&plain), "{plain}");
        let slower = [
            seconds(|case| case.streams = 2),
            seconds(|case| case.chunk = 64.try_into().unwrap()),
            seconds(|case| case.protocol = "h1".into()),
            seconds(|case| case.protocol = "h3".into()),
            seconds(|case| case.reader_rate = "1GiB".parse().ok()),
            seconds(|case| case.limit_rate = "1GiB".parse().ok()),
            seconds(|case| case.network = "rtt=100ms".parse().ok()),
            seconds(|case| case.network = "rate=1Gbit".parse().ok()),
            seconds(|case| case.reader_stall = Some(Duration::from_secs(5))),
        ];
        assert!(slower.iter().all(|slower| *slower > plain), "{plain} {slower:?}");
        let held = seconds(|case| case.reader_rate = "100MiB".parse().ok());
        assert!((20.0..21.0).contains(&held), "2 GiB at 100 MiB/s: {held}");
    }

    #[test]
    fn a_body_of_any_size_has_a_time() {
        let endless = |case: &mut Case| {
            case.body = record::ByteSize(u64::MAX);
            case.reader_rate = Rate::try_from(1).ok();
        };
        assert!(seconds(endless) > 1e18);
    }
}
