//! The additional work of a receiver that serves as a control of measured processor time.

use std::time::Duration;

use process::occupy;
use record::ChunkSize;

/// The least processor time that is spent at once: far more than reading the thread's clock takes.
const LEAST: Duration = Duration::from_micros(10);

/// The work of a receiver in proportion to the received bytes.
#[derive(Debug)]
pub(crate) struct Burner {
    /// The processor time for one byte, in seconds.
    seconds_per_byte: f64,
    /// The outstanding processor time, in seconds; negative if more was spent than required.
    owed: f64,
}

impl Burner {
    /// Creates a burner that spends `time` for each `chunk` of body.
    pub(crate) fn new(time: Duration, chunk: ChunkSize) -> Self {
        Self { seconds_per_byte: time.as_secs_f64() / chunk.get() as f64, owed: 0.0 }
    }

    /// Spends the processor time for `bytes` bytes.
    pub(crate) fn burn(&mut self, bytes: usize) {
        self.owed += self.seconds_per_byte * bytes as f64;
        if let Some(time) = Duration::try_from_secs_f64(self.owed).ok().filter(|time| *time >= LEAST) {
            self.owed -= occupy(time).as_secs_f64();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_in_proportion_to_the_bytes_whatever_the_pieces() {
        for piece in [100, 1452, 1 << 20] {
            // An interrupt adds time to one of several attempts, and takes none away.
            let total = (0..5).map(|_| burnt(piece)).fold(f64::INFINITY, f64::min);
            // There are 64 chunks of 50 µs each.
            assert!((total - 0.0032).abs() < 0.0003, "{total} s in pieces of {piece}");
        }
    }

    /// Returns the processor time in seconds that 4 MiB take in pieces of this many bytes.
    fn burnt(piece: usize) -> f64 {
        let mut burner = Burner::new(Duration::from_micros(50), ChunkSize::try_from(1 << 16).unwrap());
        let mut total = 0.0;
        for _ in 0..(4 << 20) / piece {
            let before = burner.owed;
            burner.burn(piece);
            total += before + burner.seconds_per_byte * piece as f64 - burner.owed;
        }
        total
    }
}
