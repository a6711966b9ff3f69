//! The worst case of a server's memory and file descriptors, and limits that fit the machine.

use std::fmt;

use record::{ByteSize, ChunkSize, H2_FRAME, SinkKind, Term, mib};
use transport::{FIRST_WINDOW, Guards, MAX_EARLY_DATA, WindowBudget};

use crate::{Machine, Options, ServeError, payload_cache::PayloadCache, places::WAITING, unsent::Unsent};

/// Memory of the program itself, in bytes: its pages, its runtime, and the allocator's own. 14 MiB were measured.
const PROGRAM: u64 = 16 << 20;

/// The memory of a connection besides its heads and its reads, in bytes: sockets, TLS records, codecs, bytes that are
/// gathered for a write, and the first send window of QUIC. Measured with 200 clients that read nothing of a download:
/// 212 KiB for HTTP/2 over TLS, and 67 KiB for HTTP/1.1. An idle connection of HTTP/3 took 88 KiB, to which its first
/// send window adds up to 130 KiB.
const CONNECTION: u64 = 224 << 10;

/// The memory of a request besides its head and its body, in bytes: its tasks, channels, and the entries of
/// its chunks in a queue, of which there are 257 at most. Measured with a download in chunks of 1 KiB over
/// HTTP/2: 90 KiB.
const REQUEST: u64 = 96 << 10;

/// The memory of the 64 threads of `longhaul serve` that wait for the disk, in bytes: the used part of a stack and a
/// cache of the allocator each. With several threads for connections, there may be twice as many.
const DISK: u64 = 64 * (128 << 10);

/// The memory of a further thread for connections, in bytes: an arena and caches of the allocator, and the
/// used part of a stack.
const THREAD: u64 = 2 << 20;

/// File descriptors besides those of connections and files: standard streams, ports, the runtime, the spare one.
const OWN_DESCRIPTORS: u64 = 64;

/// The part of the file descriptors that saved files may take, as a divisor: a sixth. With the usual 1,024
/// descriptors, each port can then have some 650 connections.
const FILES: u64 = 6;

/// The part of the file descriptors for saved files that incomplete uploads may take, as a divisor: a quarter.
const PARTIAL: u64 = 4;

/// The part of the available memory that defaults may take, as a fraction. Other processes of the machine need the
/// rest.
const PART: (u64, u64) = (3, 4);

/// The part of that memory for received bytes, as a divisor.
const RECEIVED: u64 = 8;

/// The part of that memory for bytes that QUIC keeps, as a divisor.
const KEPT: u64 = 32;

/// The memory of a received or kept byte, in bytes. Frames leave gaps in the allocator's pages, and QUIC adds the
/// bookkeeping of each packet (1.6 bytes were measured with chunks of 1 KiB).
const PER_BYTE: u64 = 2;

/// The memory of a chunk that QUIC keeps besides its bytes, in bytes: an entry of quinn's queue, which doubles, and an
/// allocation with its count of references.
const KEPT_CHUNK: u64 = 112;

/// The least length of the head of a DATA frame of HTTP/3, in bytes.
const FRAME_HEAD: u64 = 2;

/// The fewest connections and requests to which defaults are lowered.
const FEWEST: u32 = 16;

/// The limits that were requested explicitly. Requested limits that do not fit are refused; all others are lowered.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Asked {
    /// True if [`Options::max_connections`] was requested.
    pub connections: bool,
    /// True if [`Options::max_requests`] was requested.
    pub requests: bool,
    /// True if the size of some memory was requested: [`Options::max_chunk`], the bytes of heads in
    /// [`Options::guards`], or a window or buffer in [`Options::limits`].
    pub sizes: bool,
}

/// The most memory that a server may take, as a list of terms.
#[derive(Clone, Debug)]
pub struct WorstCase {
    terms: Vec<Term>,
}

impl WorstCase {
    /// Returns the worst case under `options`.
    pub fn of(options: &Options) -> Self {
        let (connections, requests) = (u64::from(options.max_connections), u64::from(options.max_requests));
        let blocks = PayloadCache::SEEDS as u64;
        let mut terms = vec![
            Term::new("program", PROGRAM, ""),
            Term::new("connections", connections.saturating_mul(per_connection(options)), ""),
            Term::new("requests", requests.saturating_mul(per_request(options)), ""),
            Term::new("generated bodies", blocks.saturating_mul(block(options)), ""),
        ];
        let threads = options.spread.as_ref().map_or(1, |spread| spread.runtimes().len() as u64);
        let disk = if threads > 1 { 2 * DISK } else { DISK };
        if threads > 1 {
            terms.push(Term::new("threads", THREAD.saturating_mul(threads - 1), ""));
        }
        let budgets = [
            ("received bytes", &options.guards.receive_budget, PER_BYTE),
            ("sent by QUIC", &options.guards.send_budget, per_kept_byte(options)),
        ];
        for (name, budget, per_byte) in budgets {
            let bytes = budget.as_ref().map(|budget| budget.total().saturating_mul(per_byte));
            terms.extend(bytes.map(|bytes| Term::new(name, bytes, "")));
        }
        if matches!(options.uploads, SinkKind::Save(_)) {
            terms.push(Term::new("disk threads", disk, ""));
            terms.push(Term::new("files read ahead", Unsent::footprint(0, 0), ""));
        }
        Self { terms }
    }

    /// Returns the sum of all terms, in bytes.
    pub fn bytes(&self) -> u64 {
        self.terms.iter().fold(0, |sum, term| sum.saturating_add(term.bytes))
    }
}

/// Formats the sum and its terms on one line.
impl fmt::Display for WorstCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} MiB (", mib(self.bytes()))?;
        for (index, term) in self.terms.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{} {:.0}", term.name, mib(term.bytes))?;
        }
        write!(f, ")")
    }
}

/// Returns the memory of a byte that QUIC keeps, in bytes.
fn per_kept_byte(options: &Options) -> u64 {
    PER_BYTE + KEPT_CHUNK / (options.min_chunk.get() as u64).saturating_add(FRAME_HEAD)
}

/// Returns the memory of a connection in bytes: [`CONNECTION`], the heads that wait, the larger of its first
/// window and a frame, the small chunks in its first send window of QUIC, and its early data.
fn per_connection(options: &Options) -> u64 {
    let read = options.limits.bytes(&H2_FRAME).max(FIRST_WINDOW.into());
    let early = if options.accepts_early_data { MAX_EARLY_DATA } else { 0 };
    let chunks = u64::from(FIRST_WINDOW).saturating_mul(per_kept_byte(options) - PER_BYTE);
    [read, options.guards.waiting_heads(), chunks, early.into()]
        .into_iter()
        .fold(CONNECTION, u64::saturating_add)
}

/// Returns the memory of a request in bytes: [`REQUEST`], its head and trailers, and the larger of its sink
/// and of a chunk of a saved file.
fn per_request(options: &Options) -> u64 {
    let sink = |bodies| receiver::footprint(&options.uploads, bodies).map_or(0, |term| term.bytes);
    let own = sink(u64::from(options.max_requests)) / u64::from(options.max_requests.max(1));
    let chunk =
        if matches!(options.uploads, SinkKind::Save(_)) { ChunkSize::DEFAULT.get() as u64 } else { 0 };
    REQUEST.saturating_add(options.guards.accepted_head()).saturating_add(own.max(chunk))
}

fn block(options: &Options) -> u64 {
    payload::footprint(&record::PayloadKind::Random, options.max_chunk, 1).bytes
}

impl Options {
    /// Lowers limits that were not requested until the worst case fits the machine. Returns a note on each lowered
    /// limit.
    ///
    /// # Errors
    /// Fails if requested limits do not fit the memory.
    pub fn fit(&mut self, machine: &Machine, asked: Asked) -> Result<Vec<String>, ServeError> {
        let mut notes = Vec::new();
        self.fit_descriptors(machine.descriptors, &mut notes);
        if let Some(memory) = machine.memory {
            self.fit_memory(memory, asked, &mut notes)?;
        }
        Ok(notes)
    }

    /// Divides the file descriptors between files and connections.
    fn fit_descriptors(&mut self, descriptors: u64, notes: &mut Vec<String>) {
        let waiting = (WAITING as u64).min(descriptors / 8);
        let free = descriptors.saturating_sub(OWN_DESCRIPTORS).saturating_sub(waiting).max(4);
        let files = if matches!(self.uploads, SinkKind::Save(_)) { (free / FILES).max(1) } else { 0 };
        let reason = format!("the {descriptors} file descriptors of this process");
        lower(&mut self.max_connections, free - files, "connections", &reason, notes);
        if files > 0 {
            // An incomplete upload keeps its file open.
            let partial = files / PARTIAL;
            lower(&mut self.max_partial, partial, "resumable uploads", &reason, notes);
            lower(&mut self.max_requests, files - partial, "requests", &reason, notes);
        }
    }

    fn fit_memory(
        &mut self,
        memory: ByteSize,
        asked: Asked,
        notes: &mut Vec<String>,
    ) -> Result<(), ServeError> {
        let (most, reason) = (memory.0 / PART.1 * PART.0, format!("the {:.0} MiB of memory", mib(memory.0)));
        let kept = (most / KEPT).saturating_mul(PER_BYTE) / per_kept_byte(self);
        let Guards { receive_budget, send_budget, .. } = &mut self.guards;
        fit_budget(receive_budget, most / RECEIVED, "received bytes", &reason, notes);
        fit_budget(send_budget, kept, "bytes kept by QUIC", &reason, notes);
        let least = Self {
            max_connections: if asked.connections {
                self.max_connections
            } else {
                FEWEST.min(self.max_connections)
            },
            max_requests: if asked.requests { self.max_requests } else { FEWEST.min(self.max_requests) },
            ..self.clone()
        };
        let (worst, fixed) = (WorstCase::of(self), WorstCase::of(&least).bytes());
        if worst.bytes() <= most {
            return Ok(());
        }
        if fixed > memory.0 && (asked.connections || asked.requests || asked.sizes) {
            return Err(ServeError::Memory { worst: WorstCase::of(&least).to_string(), memory });
        }
        // Both limits shrink by the same factor, from their defaults towards the fewest.
        let part = most.saturating_sub(fixed) as f64 / worst.bytes().saturating_sub(fixed).max(1) as f64;
        let shrunk =
            |least: u32, now: u32| u64::from(least) + (f64::from(now.saturating_sub(least)) * part) as u64;
        let connections = shrunk(least.max_connections, self.max_connections);
        let requests = shrunk(least.max_requests, self.max_requests);
        lower(&mut self.max_connections, connections, "connections", &reason, notes);
        lower(&mut self.max_requests, requests, "requests", &reason, notes);
        Ok(())
    }
}

/// Lowers a budget, for which there is no flag.
fn fit_budget(
    budget: &mut Option<WindowBudget>,
    most: u64,
    name: &str,
    reason: &str,
    notes: &mut Vec<String>,
) {
    if let Some(total) = budget.as_ref().map(WindowBudget::total).filter(|total| *total > most) {
        notes.push(format!("{name}: {:.0} MiB instead of {:.0}, for {reason}", mib(most), mib(total)));
        *budget = Some(WindowBudget::new(most));
    }
}

/// Lowers a limit to `most`, and adds a note.
fn lower(limit: &mut u32, most: u64, name: &str, reason: &str, notes: &mut Vec<String>) {
    if u64::from(*limit) > most {
        let lowered = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        notes.push(format!("{name}: {lowered} instead of {limit}, for {reason}"));
        *limit = lowered;
    }
}

#[cfg(test)]
mod tests {
    use record::LimitValue;

    use super::*;

    fn machine(mib: u64, descriptors: u64) -> Machine {
        Machine { memory: Some(ByteSize(mib << 20)), descriptors }
    }

    fn saving() -> Options {
        Options { uploads: SinkKind::Save("/".into()), ..Options::default() }
    }

    #[test]
    fn defaults_fit_a_usual_machine_and_say_what_they_take() {
        let mut options = saving();
        assert_eq!(options.fit(&machine(4096, 1 << 16), Asked::default()).unwrap(), Vec::<String>::new());
        assert_eq!((options.max_connections, options.max_requests), (1024, 1024));
        let worst = WorstCase::of(&options);
        assert!(worst.to_string().contains(" MiB (program 16, connections "), "{worst}");
    }

    #[test]
    fn defaults_are_lowered_to_the_memory_there_is() {
        for mib in [144, 256, 400] {
            let mut options = saving();
            let notes = options.fit(&machine(mib, 1 << 16), Asked::default()).unwrap();
            assert_eq!(notes.len(), 4, "{notes:?}");
            assert!(WorstCase::of(&options).bytes() <= (mib << 20) / 4 * 3, "{mib}: {notes:?}");
            assert!(options.max_connections >= FEWEST && options.max_requests >= FEWEST);
            assert!(notes[0].contains(&format!("for the {mib} MiB of memory")), "{notes:?}");
        }
        let mut options = saving();
        options.fit(&machine(1, 1 << 16), Asked::default()).unwrap();
        assert_eq!((options.max_connections, options.max_requests), (FEWEST, FEWEST));
    }

    #[test]
    fn limits_asked_for_are_kept_or_refused() {
        let asked = Asked { connections: true, ..Asked::default() };
        let mut options = Options { max_connections: 512, ..saving() };
        options.fit(&machine(640, 1 << 16), asked).unwrap();
        assert_eq!(options.max_connections, 512);
        assert!(options.max_requests < 1024);
        let error = options.fit(&machine(64, 1 << 16), asked).unwrap_err().to_string();
        assert!(error.contains("--max-connections") && error.contains("64MiB"), "{error}");
        assert!(
            Options { max_connections: u32::MAX, ..saving() }.fit(&machine(64, u64::MAX), asked).is_err()
        );
    }

    #[test]
    fn sizes_asked_for_are_refused_if_the_fewest_connections_with_them_do_not_fit() {
        let asked = Asked { sizes: true, ..Asked::default() };
        let sizes: [fn(&mut Options); 3] = [
            |options| options.max_chunk = ChunkSize::try_from(64 << 20).unwrap(),
            |options| options.guards.header_bytes = 1 << 30,
            |options| options.limits.set(&H2_FRAME, LimitValue::Bytes((16 << 20) - 1)).unwrap(),
        ];
        for (index, size) in sizes.iter().enumerate() {
            let mut options = saving();
            size(&mut options);
            assert!(options.clone().fit(&machine(200, 1 << 16), Asked::default()).is_ok(), "{index}");
            let error = options.fit(&machine(200, 1 << 16), asked).unwrap_err();
            assert!(matches!(error, ServeError::Memory { .. }), "{index}: {error}");
        }
        assert!(saving().fit(&machine(200, 1 << 16), asked).is_ok());
    }

    #[test]
    fn heads_count_for_connections_and_requests_by_their_decoded_size() {
        let worst = |header_bytes, header_count| {
            let mut options = Options::default();
            (options.guards.header_bytes, options.guards.header_count) = (header_bytes, header_count);
            let terms = WorstCase::of(&options).terms;
            let of = |name| terms.iter().find(|term| term.name == name).unwrap().bytes / 1024;
            (of("connections"), of("requests"))
        };
        let (small, large) = (worst(16 << 10, 100), worst(64 << 10, 100));
        // Measured: 140 KiB for 1,985 fields without a value, whose list counts 64 KiB.
        assert!(large.0 - small.0 > (48 * 7) << 10 && large.1 - small.1 > (48 * 7) << 10);
        assert!(worst(16 << 10, 1000).1 > small.1);
    }

    #[test]
    fn small_chunks_count_by_the_memory_that_quic_keeps_for_each() {
        let with = |chunk| Options { min_chunk: ChunkSize::try_from(chunk).unwrap(), ..Options::default() };
        assert_eq!(WorstCase::of(&with(1024)).bytes(), WorstCase::of(&with(4096)).bytes());
        let mut options = with(1);
        assert!(WorstCase::of(&options).bytes() > WorstCase::of(&with(1024)).bytes() + (3 << 30));
        options.fit(&machine(1024, 1 << 16), Asked::default()).unwrap();
        assert!(WorstCase::of(&options).bytes() <= (1024 << 20) / 4 * 3);
    }

    #[test]
    fn connections_and_files_share_the_descriptors() {
        for descriptors in [0, 10, 100, 1024, 4096] {
            let mut options = saving();
            let notes = options.fit(&machine(1 << 20, descriptors), Asked::default()).unwrap();
            let taken = [options.max_connections, options.max_requests, options.max_partial];
            let taken: u64 = taken.into_iter().map(u64::from).sum();
            assert!(taken <= descriptors.max(8), "{descriptors}: {notes:?}");
        }
        let mut options = Options::default();
        options.fit(&machine(1 << 20, 1024), Asked::default()).unwrap();
        assert_eq!((options.max_connections, options.max_requests), (896, 1024));
    }
}
