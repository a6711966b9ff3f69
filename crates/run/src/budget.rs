//! The budget of an end: its largest growth over the baseline, computed before it runs, term by term.

use std::fmt;

use record::{Case, End, SinkKind, Term, mib};
use transport::Shape;

use crate::DISK_THREADS;

/// The pages of the program that a transfer is the first to touch, in bytes. The kernel maps up to sixteen cached pages
/// at a time. A release build took 0.3 to 1.8 MiB, the larger build of tests up to 2.5 MiB.
const PROGRAM: u64 = if cfg!(debug_assertions) { 4 << 20 } else { 2 << 20 };

/// The tasks, request heads, channels and progress watch of one body, in bytes.
const BODY: u64 = 24 << 10;

/// The used part of a thread's stack, and jemalloc's cache of small and medium allocations, in bytes.
const THREAD: u64 = 128 << 10;

/// The memory of a further thread that carries connections, beyond its part of other terms: its arena of the allocator with
/// freed pages that it has not returned yet, the caches of its allocators, and the used part of its stack, in bytes.
const CARRIER: u64 = 1 << 20;

/// The allocator's own pages, thread caches, and freed pages that it has not returned yet, in bytes.
const ALLOCATOR: u64 = 768 << 10;

/// The number of bytes for each byte lost to size classes: jemalloc has four classes per doubling, so at worst a fifth
/// is lost.
const SLACK: u64 = 5;

/// The largest growth that one end may have over its baseline.
#[derive(Clone, Debug)]
pub struct Budget {
    end: End,
    terms: Vec<Term>,
}

impl Budget {
    /// Returns the budget of one end of a case, from its limits alone. The budget is empty for a protocol that this
    /// version does not know.
    pub fn of(case: &Case, end: End) -> Self {
        let shape = shape(case);
        let transport = transport::by_name(&case.protocol);
        let mut terms =
            transport.map_or_else(Vec::new, |protocol| protocol.footprint(&case.limits, end, shape));
        match end {
            End::Sender => terms.push(payload(case)),
            End::Receiver => terms.extend(receiver::footprint(&case.sink, case.bodies())),
        }
        terms.push(Term::new(
            "disk threads",
            THREAD * disk_threads(case, end),
            format!(
                "{} KiB each, for a stack and a cache of the allocator: one per body that is read or saved, {DISK_THREADS} at most",
                THREAD >> 10
            ),
        ));
        terms.push(metrics::footprint(case.limit_rate.is_some(), carriers(case)));
        let further = carriers(case) - 1;
        terms.push(Term::new(
            "threads",
            CARRIER.saturating_mul(further),
            format!(
                "{} MiB for each of {further} further threads: an arena and caches of the allocator, and a stack",
                CARRIER >> 20
            ),
        ));
        terms.push(Term::new(
            "bodies",
            BODY * case.bodies(),
            format!("{} KiB each: tasks, heads, channels", BODY >> 10),
        ));
        let heap: u64 = terms.iter().map(|term| term.bytes).sum();
        terms.push(Term::new(
            "allocator",
            heap / SLACK + ALLOCATOR,
            format!("1/{SLACK} of the above for size classes, and {} KiB of its own", ALLOCATOR >> 10),
        ));
        terms.push(Term::new("program", PROGRAM, "pages of the program that are touched for the first time"));
        terms.retain(|term| term.bytes > 0);
        Self { end, terms }
    }

    /// Returns the sum of all terms, in bytes.
    pub fn bytes(&self) -> u64 {
        self.terms.iter().map(|term| term.bytes).sum()
    }

    /// Formats the budgets of both ends of a case, term by term.
    pub fn explain(case: &Case) -> String {
        if case.is_stock() {
            return format!("{}\n  no budget: nothing bounds the memory of --profile stock\n", case.key());
        }
        let budget = |end| Self::of(case, end);
        format!("{}\n{}\n{}", case.key(), budget(End::Sender), budget(End::Receiver))
    }
}

/// Returns the number of threads that carry connections.
fn carriers(case: &Case) -> u64 {
    case.threads.max(1).into()
}

/// Returns the memory of the content of bodies. Each thread has a block of its own.
fn payload(case: &Case) -> Term {
    let term = payload::footprint(&case.payload, case.chunk, case.bodies());
    let threads = carriers(case);
    if threads == 1 || !case.payload.is_generated() {
        return term;
    }
    Term::new(term.name, term.bytes.saturating_mul(threads), format!("{threads} × {}", term.reason))
}

/// Returns the number of threads that wait for the disk concurrently.
fn disk_threads(case: &Case, end: End) -> u64 {
    let waits = match end {
        End::Sender => !case.payload.is_generated(),
        End::Receiver => matches!(case.sink, SinkKind::Save(_)),
    };
    let (all, carriers) = (DISK_THREADS as u64, carriers(case));
    let most = all + (carriers - 1) * all.div_ceil(carriers);
    if waits { case.bodies().min(most) } else { 0 }
}

/// Formats one line per term, and the sum.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Term { name, bytes, reason } in &self.terms {
            writeln!(f, "  {:>9.3} MiB  {name}: {reason}", mib(*bytes))?;
        }
        writeln!(f, "  {:>9.3} MiB  {} over its baseline", mib(self.bytes()), self.end)
    }
}
/// Returns the layout of a case. The chunks of a generated body are slices of one block.
fn shape(case: &Case) -> Shape {
    let shape = Shape::new(case.connections, case.streams, case.chunk);
    if case.payload.is_generated() { shape.with_shared_chunks() } else { shape }
}
