//! The budget of an end: the most it may add to its baseline, known before it runs, term by term.

use std::fmt;

use metrics::Meter;
use receiver::save::Saver;
use transport::{End, Shape, Term};

use crate::{
    case::{Case, SinkKind},
    size::mib,
};

/// Pages of the program that a transfer is the first to touch. The kernel maps sixteen at a time, of those that its
/// cache holds: 0.3 to 1.2 MiB were seen of a release build, up to 1.7 of the larger one that tests run.
const PROGRAM: u64 = 2 << 20;

/// Tasks, request heads, channels and what watches over a body.
const BODY: u64 = 24 << 10;

/// How many threads of a process read and write files at once. None is held between blocks, so that all
/// bodies take turns; each costs a stack and a cache of the allocator.
pub(crate) const DISK_THREADS: usize = 64;

/// A stack as far as it is used, and jemalloc's cache of small and middling pieces.
const THREAD: u64 = 128 << 10;

/// What jemalloc takes in any case: its own pages, thread caches, and freed pages that it has yet to return.
const ALLOCATOR: u64 = 768 << 10;

/// One of this many bytes is lost to size classes: jemalloc has four to a doubling, so a fifth at worst.
const SLACK: u64 = 5;

/// What one end may add to its baseline.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    end: End,
    terms: Vec<Term>,
}

impl Budget {
    /// The budget of one end of a case, from its limits alone.
    pub(crate) fn of(case: &Case, end: End) -> Self {
        let shape = Shape {
            connections: case.connections,
            streams: case.streams,
            chunk: case.chunk.into(),
            shared: case.payload.is_shared(),
        };
        let mut terms = case.transport.footprint(&case.limits, end, shape);
        match end {
            End::Sender => terms.push(Term::new(
                "payload",
                case.payload.footprint(case.chunk) * if shape.shared { 1 } else { shape.bodies() },
                "131,071 bytes and a chunk for what is generated, shared by all bodies; two pieces of 128 KiB or a chunk for each file",
            )),
            End::Receiver => terms.extend(sink(&case.sink, shape)),
        }
        terms.push(Term::new(
            "disk threads",
            THREAD * threads(case, end, shape.bodies()),
            "128 KiB each, for a stack and a cache of the allocator: one a body that is read or saved, 64 at most",
        ));
        terms.push(Term::new(
            "meters",
            Meter::footprint(),
            "two HdrHistograms of three digits and a timeline of 256 points",
        ));
        terms.push(Term::new("bodies", BODY * shape.bodies(), "24 KiB each: tasks, heads, channels"));
        let heap: u64 = terms.iter().map(|term| term.bytes).sum();
        terms.push(Term::new(
            "allocator",
            heap / SLACK + ALLOCATOR,
            "a fifth of the above for size classes, and 768 KiB of its own",
        ));
        terms.push(Term::new("program", PROGRAM, "pages of the program that are touched for the first time"));
        terms.retain(|term| term.bytes > 0);
        Self { end, terms }
    }

    /// All terms together, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.terms.iter().map(|term| term.bytes).sum()
    }
}

/// How many threads wait for the disk at once.
fn threads(case: &Case, end: End, bodies: u64) -> u64 {
    let waits = match end {
        End::Sender => !case.payload.is_shared(),
        End::Receiver => matches!(case.sink, SinkKind::Save(_)),
    };
    if waits { bodies.min(DISK_THREADS as u64) } else { 0 }
}

/// What a sink holds on to.
fn sink(sink: &SinkKind, shape: Shape) -> Option<Term> {
    match sink {
        SinkKind::Discard => None,
        // What it collects is what no budget admits.
        SinkKind::Verify | SinkKind::Collect => {
            Some(Term::new("digest", shape.bodies() << 10, "1 KiB for each body: XXH3's buffer and secret"))
        }
        SinkKind::Save(_) => Some(Term::new(
            "blocks behind the disk",
            Saver::footprint(shape.bodies()),
            "1 MiB for each of the first eight bodies, 128 KiB for each further one",
        )),
    }
}

/// The arithmetic, a line a term.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Term { name, bytes, reason } in &self.terms {
            writeln!(f, "  {:>9.3} MiB  {name}: {reason}", mib(*bytes))?;
        }
        writeln!(f, "  {:>9.3} MiB  {} over its baseline", mib(self.bytes()), self.end)
    }
}

/// Prints the budgets of both ends of a case.
pub(crate) fn explain(case: &Case) -> String {
    let budget = |end| Budget::of(case, end);
    format!("{}\n{}\n{}", case.name(), budget(End::Sender), budget(End::Receiver))
}
