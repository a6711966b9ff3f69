//! Sets of limits that belong together.

use crate::Limits;

/// What windows and buffers are chosen for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The smallest budget that still streams: every window holds a few chunks of 64 KiB.
    Lean,
    /// Full speed on loopback within the least memory that gives it.
    #[default]
    Balanced,
    /// The most goodput, whatever the memory: windows past where loopback gains by them, and frames as large as
    /// large chunks.
    Fast,
}

impl Profile {
    /// The limits of the profile.
    pub fn limits(self) -> Limits {
        let balanced = Limits::default();
        match self {
            Self::Lean => Limits {
                h1_buffer: 64 << 10,
                h2_frame: 16 << 10,
                h2_window: 256 << 10,
                h2_send_buffer: 64 << 10,
                quic_window: 256 << 10,
                quic_connection_window: 512 << 10,
                quic_send_window: 256 << 10,
                ..balanced
            },
            Self::Balanced => balanced,
            Self::Fast => Limits {
                h2_frame: 1 << 20,
                h2_window: 16 << 20,
                h2_send_buffer: 1 << 20,
                quic_window: 8 << 20,
                quic_connection_window: 16 << 20,
                quic_send_window: 4 << 20,
                ..balanced
            },
        }
    }
}

/// What kind of path QUIC's datagrams are made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuicProfile {
    /// 1,452 bytes: an Ethernet frame of 1,500 less IPv6 and UDP headers, so that a figure means something
    /// elsewhere.
    #[default]
    Internet,
    /// 8,952 bytes: the same of a jumbo frame of 9,000.
    Jumbo,
    /// [`MAX_QUIC_MTU`](crate::MAX_QUIC_MTU): one datagram a send, as large as UDP has them.
    Loopback,
}

impl QuicProfile {
    /// The largest UDP payload, in bytes.
    pub fn mtu(self) -> u64 {
        match self {
            Self::Internet => 1452,
            Self::Jumbo => 8952,
            Self::Loopback => crate::MAX_QUIC_MTU,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{End, Shape, TRANSPORTS};

    #[test]
    fn every_profile_takes_more_memory_than_the_one_before() {
        let shape = Shape { connections: 1, streams: 1, chunk: 64 << 10, shared: true };
        for transport in TRANSPORTS.iter().filter(|transport| transport.features().baseline.is_some()) {
            let receives = |profile: Profile| -> u64 {
                let terms = transport.footprint(&profile.limits(), End::Receiver, shape);
                terms.iter().map(|term| term.bytes).sum()
            };
            let [lean, balanced, fast] = [Profile::Lean, Profile::Balanced, Profile::Fast].map(receives);
            assert!(lean < balanced && balanced <= fast, "{}: {lean} {balanced} {fast}", transport.name());
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_default_profiles() {
        assert_eq!(Profile::default().limits(), Limits::default());
        assert_eq!(Limits::default().quic_mtu, Some(QuicProfile::default().mtu()));
    }
}
