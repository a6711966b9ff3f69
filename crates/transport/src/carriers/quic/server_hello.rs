//! The ServerHello of a handshake (RFC 8446 section 4.1.3), which states the cipher suite, and whether the handshake resumes
//! a session.

use rustls::CipherSuite;

/// The statements of a ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) suite: CipherSuite,
    /// True if the server accepted the session that the client offered.
    pub(super) resumed: bool,
}

/// The ServerHello in the handshake messages of a server. A HelloRetryRequest before it has the same format, and is skipped
/// (RFC 8446 section 4.1.4).
pub(super) enum ServerHello {
    /// The message is not complete.
    Reading(Vec<u8>),
    /// The message is complete; `None` if it is no ServerHello.
    Read(Option<Facts>),
}

/// The message type of a ServerHello (RFC 8446 section 4).
const TYPE: u8 = 2;

/// The bytes of the message type and the length (RFC 8446 section 4).
const HEADER: usize = 1 + 3;

/// The bytes of the version before the random value.
const VERSION: usize = 2;

/// The random value of a HelloRetryRequest, which is the SHA-256 of that name (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The extension by which a server accepts a session (RFC 8446 section 4.2.11).
const PRE_SHARED_KEY: u16 = 41;

/// The longest message that is read, in bytes. The key share of X25519MLKEM768 takes 1,120 of them.
const MOST: usize = 4 << 10;

impl ServerHello {
    /// Returns a reader that has read nothing.
    pub(super) fn new() -> Self {
        Self::Reading(Vec::new())
    }

    /// Takes the next bytes of the handshake.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let Self::Reading(read) = self else { return };
        let missing = MOST.saturating_sub(read.len());
        read.extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
        let Some([_, length @ ..]) = read.first_chunk::<HEADER>() else { return };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        let Some(message) = read.get(..HEADER + length) else {
            if HEADER + length > MOST {
                *self = Self::Read(None);
            }
            return;
        };
        if message.get(HEADER + VERSION..).is_some_and(|rest| rest.starts_with(&RETRY)) {
            read.drain(..HEADER + length);
        } else {
            *self = Self::Read(facts(message));
        }
    }

    /// Returns the statements; `None` until the message is complete, and for another message.
    pub(super) fn facts(&self) -> Option<Facts> {
        match self {
            Self::Reading(_) => None,
            Self::Read(facts) => *facts,
        }
    }
}

fn facts(message: &[u8]) -> Option<Facts> {
    if message.first() != Some(&TYPE) {
        return None;
    }
    let (session, rest) = message.get(HEADER + VERSION + RETRY.len()..)?.split_first()?;
    let (suite, rest) = rest.get(usize::from(*session)..)?.split_first_chunk()?;
    // The compression method, and the length of all extensions.
    let mut extensions = rest.get(1 + 2..)?;
    let mut resumed = false;
    while let Some((kind, rest)) = extensions.split_first_chunk() {
        let (length, rest) = rest.split_first_chunk()?;
        resumed |= u16::from_be_bytes(*kind) == PRE_SHARED_KEY;
        extensions = rest.get(usize::from(u16::from_be_bytes(*length))..)?;
    }
    Some(Facts { suite: u16::from_be_bytes(*suite).into(), resumed })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key share and the version, which every ServerHello has.
    const USUAL: &[u8] = &[0, 51, 0, 3, 1, 2, 3, 0, 43, 0, 2, 3, 4];

    const SESSION: &[u8] = &[0, 41, 0, 2, 0, 0];

    fn hello(random: [u8; 32], session: usize, extensions: &[u8]) -> Vec<u8> {
        let start = [&[3, 3][..], &random, &[session as u8], &vec![7; session], &[0x13, 0x02, 0]].concat();
        let body = [&start[..], &(extensions.len() as u16).to_be_bytes(), extensions].concat();
        [&[2, 0], &(body.len() as u16).to_be_bytes()[..], &body].concat()
    }

    fn read(bytes: &[u8], piece: usize) -> Option<Facts> {
        let mut hello = ServerHello::new();
        bytes.chunks(piece).for_each(|piece| hello.extend(piece));
        hello.facts()
    }

    #[test]
    fn suite_and_resumption_are_read_whatever_pieces_the_message_comes_in() {
        let resuming = [USUAL, SESSION].concat();
        for (extensions, resumed) in [(USUAL, false), (&resuming[..], true), (&[], false)] {
            for (session, piece) in [(0, 1), (32, 40), (32, 1000)] {
                let bytes = [hello([9; 32], session, extensions), vec![11, 0, 0, 1, 0]].concat();
                let suite = CipherSuite::TLS13_AES_256_GCM_SHA384;
                assert_eq!(read(&bytes, piece), Some(Facts { suite, resumed }), "{session} {piece}");
            }
        }
    }

    #[test]
    fn a_retry_request_is_skipped() {
        let retry = hello(RETRY, 32, USUAL);
        assert_eq!(read(&retry, 1000), None);
        let both = [retry, hello([9; 32], 32, SESSION)].concat();
        assert!(read(&both, 10).unwrap().resumed);
    }

    #[test]
    fn a_message_that_is_cut_off_malformed_or_another_one_states_nothing() {
        let whole = hello([9; 32], 32, USUAL);
        assert_eq!(read(&whole[..whole.len() - 1], 1000), None);
        let mut other = whole.clone();
        other[0] = 1;
        let mut longer = whole;
        longer[79] = 200;
        for bytes in [&other[..], &longer, &[2], &[2; 39], &[2; 5000], &[2, 0, 0, 0], &[2, 0, 0, 1, 9]] {
            assert_eq!(read(bytes, 1000), None, "{bytes:?}");
        }
    }
}
