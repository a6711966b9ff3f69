//! A rate limit on the log lines of one cause.

use std::time::Duration;

use metrics::Stamp;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// A log line that is written at most once every ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Occasional {
    last: Option<Stamp>,
    left_out: u64,
}

impl Occasional {
    /// Returns the number of lines that were suppressed before this one, or `None` if this line is to be suppressed.
    pub(crate) fn due(&mut self) -> Option<u64> {
        let now = Stamp::now();
        if self.last.is_some_and(|last| now.since(last) < PAUSE) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_line_is_left_out_and_counted() {
        let mut line = Occasional::default();
        assert_eq!((line.due(), line.due(), line.due()), (Some(0), None, None));
        assert_eq!(line.left_out, 2);
        line.last = None;
        assert_eq!(line.due(), Some(2));
    }
}
