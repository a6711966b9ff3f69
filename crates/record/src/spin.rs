//! The busy-polling time of receivers: its default, and its form in the name of a case.

use std::time::Duration;

/// The time that a measured receiver busy-polls by default before it sleeps. Without busy-polling, an HTTP/2 sender
/// with an empty window and a receiver without further bytes wake each other once per MiB. Busy-polling raised the
/// goodput of h2c from 4,900 to 7,200 MiB/s, and that of h2 from 2,850 to 3,300 MiB/s.
pub const DEFAULT_SPIN: Duration = Duration::from_micros(100);

/// Returns a busy-polling time in the form of the `--spin` flag: in microseconds, or in nanoseconds if it is not a
/// whole number of microseconds.
pub(crate) fn spin_name(spin: Duration) -> String {
    match spin.subsec_nanos() % 1000 {
        0 => format!("{}us", spin.as_micros()),
        _ => format!("{}ns", spin.as_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Case;

    #[test]
    fn a_busy_polling_time_is_named_unless_it_is_the_default() {
        let name = |ns: Option<u64>| {
            let mut case = Case::new("tcp");
            case.spin = ns.map(Duration::from_nanos);
            case.key().axis("spin").map(str::to_owned)
        };
        assert_eq!((name(Some(100_000)), name(None)), (None, None));
        assert_eq!(name(Some(0)).as_deref(), Some("0us"));
        assert_eq!(name(Some(2_000_000_000)).as_deref(), Some("2000000us"));
        assert_eq!(name(Some(1_500)).as_deref(), Some("1500ns"));
    }
}
