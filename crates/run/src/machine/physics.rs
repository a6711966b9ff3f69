//! The speed of this machine without any protocol: copies between cores, AES-GCM, and TCP over loopback. Each
//! measurement takes a fraction of a second.

use std::{
    fmt, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::Duration,
};

use metrics::Stamp;
use record::mib_per_s;
use transport::capabilities::Sealer;

use super::{Cores, bind};

/// The duration of each measurement.
const TIME: Duration = Duration::from_millis(300);

/// The size of the block that one core writes and another one copies, in bytes. It fits in the cache of either core.
const BLOCK: usize = 256 << 10;

/// The plaintext of a TLS record, in bytes (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;

/// The plaintext of a QUIC packet, in bytes: the UDP payload of an Ethernet frame over IPv6 (1500 - 40 - 8).
const PACKET: usize = 1452;

/// The measured rates of the machine, in bytes per second; `None` for a rate that could not be measured.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Physics {
    /// The rate of copies of a block that another core has just written.
    pub copy: Option<f64>,
    /// The rate of AES-128-GCM in records of TLS.
    pub records: Option<f64>,
    /// The rate of AES-128-GCM in packets of QUIC.
    pub packets: Option<f64>,
    /// The rate of TCP over loopback with blocking calls of 256 KiB.
    pub tcp: Option<f64>,
}

impl Physics {
    /// Measures the rates, with sender and receiver on these cores.
    pub fn measure(cores: Cores) -> Self {
        Self {
            copy: copy(cores),
            records: on(cores.sender, || seal(RECORD).ok()),
            packets: on(cores.sender, || seal(PACKET).ok()),
            tcp: tcp(cores).ok(),
        }
    }
}

/// Formats one line for each rate.
impl fmt::Display for Physics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = BLOCK >> 10;
        let lines = [
            (format!("copy of {block} KiB from the other core's cache"), self.copy),
            (format!("AES-128-GCM, records of {} KiB", RECORD >> 10), self.records),
            (format!("AES-128-GCM, packets of {PACKET} bytes"), self.packets),
            (format!("TCP over loopback, calls of {block} KiB"), self.tcp),
        ];
        lines.iter().try_for_each(|(name, bytes_per_s)| match bytes_per_s {
            Some(rate) => writeln!(f, "  {:>6.2} GiB/s  {name}", mib_per_s(*rate) / 1024.0),
            None => writeln!(f, "       - GiB/s  {name}: not measured"),
        })
    }
}

/// Returns the result of `work` on a thread that is bound to `core`. `None` if the thread cannot be bound.
fn on<T: Send>(core: usize, work: impl FnOnce() -> Option<T> + Send) -> Option<T> {
    thread::scope(|scope| {
        let bound = || bind(core).ok().and_then(|()| work());
        thread::Builder::new().spawn_scoped(scope, bound).ok()?.join().ok().flatten()
    })
}

/// Measures the rate at which the receiver's core copies blocks that the sender's core has written. Only the copies are
/// timed.
fn copy(cores: Cores) -> Option<f64> {
    let (give, given) = mpsc::sync_channel(1);
    let (give_back, given_back) = mpsc::sync_channel(1);
    thread::scope(|scope| {
        let writing = move || {
            if bind(cores.sender).is_ok() {
                write_blocks(given_back, give);
            }
        };
        thread::Builder::new().spawn_scoped(scope, writing).ok()?;
        on(cores.receiver, move || copy_blocks(&given, &give_back))
    })
}

/// Writes each block that comes back and hands it over again, until the copying thread is gone.
fn write_blocks(blocks: Receiver<Vec<u8>>, give: SyncSender<Vec<u8>>) {
    let mut value = 0_u8;
    for mut block in blocks {
        value = value.wrapping_add(1);
        block.fill(value);
        if give.send(block).is_err() {
            return;
        }
    }
}

fn copy_blocks(given: &Receiver<Vec<u8>>, give_back: &SyncSender<Vec<u8>>) -> Option<f64> {
    let mut copied = vec![0; BLOCK];
    give_back.send(vec![0; BLOCK]).ok()?;
    let (began, mut bytes, mut busy) = (Stamp::now(), 0, Duration::ZERO);
    while began.elapsed() < TIME {
        let block = given.recv().ok()?;
        let start = Stamp::now();
        copied.copy_from_slice(&block);
        busy += start.elapsed();
        bytes += std::hint::black_box(&copied).len();
        give_back.send(block).ok()?;
    }
    Some(bytes as f64 / busy.as_secs_f64())
}

/// Measures the rate at which one core encrypts records of `length` bytes.
fn seal(length: usize) -> io::Result<f64> {
    /// The number of records between two readings of the clock.
    const RECORDS: usize = 100;
    let mut sealer = Sealer::for_records_of(length)?;
    let (began, mut bytes) = (Stamp::now(), 0);
    while began.elapsed() < TIME {
        for _ in 0..RECORDS {
            sealer.seal()?;
        }
        bytes += RECORDS * length;
    }
    Ok(bytes as f64 / began.elapsed().as_secs_f64())
}

/// Measures the rate of a TCP connection over loopback, from the first read until the reader sees the end.
fn tcp(cores: Cores) -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .or_else(|error| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).map_err(|_| error))?;
    let mut writer = TcpStream::connect(listener.local_addr()?)?;
    let (mut reader, _) = listener.accept()?;
    let write = move || {
        let (block, began) = (vec![7; BLOCK], Stamp::now());
        while began.elapsed() < TIME {
            writer.write_all(&block).ok()?;
        }
        Some(())
    };
    let read = move || {
        let (mut block, began, mut bytes) = (vec![0; BLOCK], Stamp::now(), 0);
        loop {
            match reader.read(&mut block).ok()? {
                0 => return Some(bytes as f64 / began.elapsed().as_secs_f64()),
                length => bytes += length,
            }
        }
    };
    let rate = thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, || on(cores.sender, write)).ok()?;
        on(cores.receiver, read)
    });
    rate.ok_or_else(|| io::Error::other("a core cannot be used, or the connection broke"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skipped::skip;

    #[test]
    fn everything_is_measured_and_shown_where_there_are_two_cores() {
        let Some(cores) = Cores::choose() else { return skip("this machine has a single core") };
        let physics = Physics::measure(cores);
        for rate in [physics.copy, physics.records, physics.packets, physics.tcp] {
            assert!(rate.is_some_and(|rate| rate > 1e6), "{physics:?}");
        }
        assert_eq!(physics.to_string().matches("GiB/s").count(), 4);
        let none = Physics { copy: None, ..physics }.to_string();
        assert!(none.contains("not measured"), "{none}");
    }
}
