//! The random numbers of TLS.

use record::Protocol;
use rustls::crypto::aws_lc_rs;

/// Seeds the random numbers of TLS, if the protocol needs them. To be called before the time of a handshake is taken.
///
/// The first random number of a process takes aws-lc some 25 ms of processor time on a current core, since it collects
/// entropy from the jitter of the processor (its `crypto/fipsmodule/rand/entropy/entropy_sources.c`). Later ones take less
/// than a microsecond.
pub fn seed_random_numbers(protocol: &Protocol) {
    if protocol.is_encrypted() {
        // If the numbers fail now, the handshake reports it.
        let _ = aws_lc_rs::default_provider().secure_random.fill(&mut [0]);
    }
}
