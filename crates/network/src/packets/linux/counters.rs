//! The counters of interfaces, from `/proc/net/dev`.

use std::{fs, io};

/// The counters of an interface since its creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// The packets received.
    pub(super) packets: u64,
    /// The bytes of the received packets, including link headers.
    pub(super) bytes: u64,
    /// The packets dropped instead of sent.
    pub(super) unsent: u64,
}

/// Reads the counters of an interface in the namespace of this process.
///
/// # Errors
/// Fails if there is no such interface.
pub(super) fn read(interface: &str) -> io::Result<Counters> {
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    parse(&table, interface)
        .ok_or_else(|| io::Error::other(format!("/proc/net/dev has no line for {interface}")))
}

/// Reads a line of the table. It has eight counters of received packets, of which the first two are bytes and packets.
/// Then come the counters of sent packets, of which the fourth is drops.
fn parse(table: &str, interface: &str) -> Option<Counters> {
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let mut fields = line.split_whitespace().map(|field| field.parse().ok());
    let (bytes, packets) = (fields.next()??, fields.next()??);
    Some(Counters { packets, bytes, unsent: fields.nth(9)?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_an_interface_is_read() {
        let table = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop|bytes packets\n    \
                     lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n path0: 100 20 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        assert_eq!(parse(table, "path0"), Some(Counters { packets: 20, bytes: 100, unsent: 12 }));
        assert_eq!(parse(table, "path"), None);
    }
}
