//! Connection IDs that name a thread.
//!
//! The threads of a server have a UDP socket each on one port. The destination connection ID of a datagram decides
//! which of them gets it: its first two bytes, as a number, modulo the number of threads. A client chooses the ID of
//! its first packets at random, and thereby a random thread. That thread then chooses IDs that name itself. So all
//! datagrams of a connection reach one thread, also after the address of the client has changed.

use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::RandomConnectionIdGenerator;

/// The length of a server's connection IDs in bytes, as in quinn.
const LENGTH: usize = 8;

/// The length of the connection ID that a client chooses for a server, as in quinn (MAX_CID_SIZE in quinn-proto's lib.rs).
const CLIENT_LENGTH: usize = 20;

/// The bit of the first byte of a packet that has a long header (RFC 9000 section 17.2).
pub(super) const LONG_HEADER: u8 = 0x80;

/// The offset of the destination connection ID in a packet with a long header: after the first byte, the version, and the
/// length of the ID (RFC 9000 section 17.2).
pub(super) const LONG_OFFSET: u8 = 6;

/// The offset of the destination connection ID in a packet with a short header (RFC 9000 section 17.3).
pub(super) const SHORT_OFFSET: u8 = 1;

/// A generator of the connection IDs of one thread.
pub(super) struct ThreadIds {
    thread: u16,
    threads: u16,
    random: RandomConnectionIdGenerator,
}

impl ThreadIds {
    /// Returns a generator for the thread with the number `thread` of `threads`.
    pub(super) fn new(thread: u16, threads: u16) -> Self {
        Self { thread, threads, random: RandomConnectionIdGenerator::new(LENGTH) }
    }
}

impl ConnectionIdGenerator for ThreadIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let random = self.random.generate_cid();
        let Some((number, rest)) = random.split_first_chunk() else { return random };
        let number = naming(u16::from_be_bytes(*number), self.thread, self.threads);
        ConnectionId::new(&[&number.to_be_bytes(), rest].concat())
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Returns a number near `random` that names `thread`.
fn naming(random: u16, thread: u16, threads: u16) -> u16 {
    let threads = threads.max(1);
    let number = random - random % threads;
    number.checked_add(thread).unwrap_or_else(|| (number - threads).saturating_add(thread))
}

/// Returns an ID for the first packets of a client, which begins with `ordinal`. So a server with any number of threads
/// assigns connections with consecutive ordinals to its threads in turn. The other 18 bytes are random, as RFC 9000
/// section 7.2 requires.
pub(super) fn first_id(ordinal: u16) -> ConnectionId {
    let random = RandomConnectionIdGenerator::new(CLIENT_LENGTH).generate_cid();
    let rest = random.get(size_of::<u16>()..).unwrap_or_default();
    ConnectionId::new(&[&ordinal.to_be_bytes(), rest].concat())
}

/// Returns the number of the thread, out of `threads`, that must get a datagram; `None` if the datagram is too short to
/// have a connection ID.
pub(super) fn thread_of(datagram: &[u8], threads: u16) -> Option<u16> {
    let is_long = datagram.first()? & LONG_HEADER != 0;
    let offset = usize::from(if is_long { LONG_OFFSET } else { SHORT_OFFSET });
    let (number, _) = datagram.get(offset..)?.split_first_chunk()?;
    u16::from_be_bytes(*number).checked_rem(threads)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(head: &[u8], id: &[u8]) -> Vec<u8> {
        [head, id, &[7; 20]].concat()
    }

    proptest! {
        #[test]
        fn every_id_of_a_thread_leads_to_it(threads in 1..=512_u16, thread in 0..512_u16) {
            let thread = thread % threads;
            let mut ids = ThreadIds::new(thread, threads);
            let id = ids.generate_cid();
            prop_assert_eq!(id.len(), ids.cid_len());
            prop_assert_eq!(thread_of(&datagram(&[0x40], &id), threads), Some(thread));
            let long = datagram(&[0xc0, 0, 0, 0, 1, LENGTH as u8], &id);
            prop_assert_eq!(thread_of(&long, threads), Some(thread));
        }

        #[test]
        fn numbers_near_the_end_of_their_range_name_the_thread(threads in 1..=512_u16, random: u16, thread: u16) {
            let thread = thread % threads;
            prop_assert_eq!(naming(random, thread, threads) % threads, thread);
        }
    }

    #[test]
    fn connections_of_a_client_take_turns_and_differ() {
        for ordinal in 0..9 {
            let id = first_id(ordinal);
            assert_eq!(
                (id.len(), thread_of(&datagram(&[0xc0, 0, 0, 0, 1, 20], &id), 4)),
                (20, Some(ordinal % 4))
            );
        }
        assert_ne!(first_id(1), first_id(1));
    }

    #[test]
    fn a_datagram_without_an_id_leads_nowhere() {
        for datagram in [&[][..], &[0x40], &[0x40, 1], &[0xc0, 0, 0, 0, 1, 8, 3]] {
            assert_eq!(thread_of(datagram, 2), None);
        }
    }
}
