//! Plans of windows and buffers that fill a path, with the memory that stalled readers then hold.
//!
//! The memory of a process is the [`Budget`] of a case with this many connections and the planned window. The same
//! bound applies to records. The kernel's memory of sockets is a figure of its own, since no process shows it.

mod law;
mod lines;

use record::{
    ByteSize, Case, End, H1_BUFFER, H2_WINDOW, Limit, LimitValue, Limits, PayloadKind, Profile, Protocol,
    QUIC_CONNECTION_WINDOW, QUIC_SEND_WINDOW, QUIC_WINDOW, SOCKET_BUFFER, SinkKind,
};
use serde::Serialize;

use law::Renewal;
pub use law::{DATA_FRAME, Path, admitted_goodput};
pub use lines::{SettingLine, setting_lines};

use crate::Budget;

/// The smallest window of a plan, in bytes: one HTTP/2 frame.
const LEAST_WINDOW: u64 = 16 << 10;

/// The granularity of windows, in bytes.
const STEP: u64 = 1 << 10;

/// The smallest buffer of HTTP/1.1 (`--h1-buffer`), in bytes.
const LEAST_H1_BUFFER: u64 = 8 << 10;

/// The kernel memory for each byte of a requested socket buffer: the kernel doubles the size (SO_RCVBUF, socket(7)).
const KERNEL_PER_BYTE: u64 = 2;

/// The input of a plan: one process that is an end of `readers` bodies, each on its own connection.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// The path of each body.
    pub path: Path,
    /// The number of bodies whose readers may stop reading at the same time.
    pub readers: u32,
    /// The most memory that process and kernel may take for all bodies.
    pub memory: ByteSize,
    /// The end that the process is: sender or receiver.
    pub end: End,
}

/// The plan for one protocol.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProtocolPlan {
    /// The name of the protocol.
    pub protocol: &'static str,
    /// The setting that fills the path, regardless of memory. If no permitted window fills it, the largest one.
    pub full: Setting,
    /// The setting that fits the memory and fills most of the path; `None` if even the smallest does not fit.
    pub best: Option<Setting>,
    /// The least memory that any setting takes, in bytes.
    pub least_memory_bytes: u64,
}

/// The limits of one end, and their effects.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// The window in bytes: of flow control, or the socket buffer for HTTP/1.1.
    pub window_bytes: u64,
    /// The limits that the plan sets, by flag, with their values in bytes. All others are those of `profile`.
    pub limits: Vec<(&'static str, u64)>,
    /// The profile (`--profile`) of all other limits.
    pub profile: &'static str,
    /// The most memory of the process over its idle state while all readers are stalled, in bytes.
    pub process_bytes: u64,
    /// The most kernel memory of the sockets while all readers are stalled, in bytes.
    pub kernel_bytes: u64,
    /// The goodput of one body over the idle path, in bytes per second.
    pub goodput_bytes_per_s: f64,
    /// The goodput of one body over the idle path as a share of the rate of the path.
    pub share: f64,
}

impl Setting {
    /// Returns the memory of process and kernel together, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.process_bytes.saturating_add(self.kernel_bytes)
    }
}

/// Returns the plan for a protocol with HTTP.
pub fn plan(protocol: &'static Protocol, demand: &Demand) -> ProtocolPlan {
    let of = |profile, window| Candidate { protocol, demand, profile }.with(window);
    let renewal = Renewal::of(protocol);
    let most = windows(protocol).iter().map(|limit| most(limit)).min().unwrap_or(LEAST_WINDOW);
    let needed = renewal.window(demand.path).div_ceil(STEP).saturating_mul(STEP).clamp(LEAST_WINDOW, most);
    let full = of(Buffers::Usual, needed);
    let within = |buffers: &Buffers| {
        let largest = largest_within(|window| of(*buffers, window), needed, demand.memory.0)?;
        // How much of a rest beyond whole parts circulates depends on where frames end, so a plan has no rest.
        let whole = largest.window_bytes / renewal.step() * renewal.step();
        Some(if whole >= LEAST_WINDOW { of(*buffers, whole) } else { largest })
    };
    let candidates: Vec<Setting> = Buffers::ALL.iter().filter_map(within).collect();
    // Among equal shares, the first candidate wins: its larger buffers take less processor time.
    let best = candidates.into_iter().reduce(|best, next| if next.share > best.share { next } else { best });
    let least = Buffers::ALL.iter().map(|buffers| of(*buffers, LEAST_WINDOW).memory_bytes()).min();
    ProtocolPlan { protocol: protocol.name, full, best, least_memory_bytes: least.unwrap_or_default() }
}

/// Returns the setting with the largest window whose memory is within `memory`, of at most `needed` bytes.
fn largest_within(of: impl Fn(u64) -> Setting, needed: u64, memory: u64) -> Option<Setting> {
    let fits = |steps: u64| of(steps.saturating_mul(STEP)).memory_bytes() <= memory;
    let (mut low, mut high) = (LEAST_WINDOW / STEP, needed / STEP);
    if !fits(low) {
        return None;
    }
    // Bisection finds the largest window, since memory grows with the window.
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    Some(of(low * STEP))
}

/// The buffers besides the window, each of which a stalled reader may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffers {
    /// The buffers of the default profile.
    Usual,
    /// The buffers of `--profile lean`.
    Lean,
    /// The buffers of `--profile lean`, and the smallest buffer of HTTP/1.1.
    Least,
}

impl Buffers {
    /// All variants, the largest buffers first.
    const ALL: [Self; 3] = [Self::Usual, Self::Lean, Self::Least];

    fn profile(self) -> Profile {
        match self {
            Self::Usual => Profile::default(),
            Self::Lean | Self::Least => Profile::Lean,
        }
    }
}

/// A setting without its window.
struct Candidate<'a> {
    protocol: &'static Protocol,
    demand: &'a Demand,
    profile: Buffers,
}

impl Candidate<'_> {
    fn with(&self, window: u64) -> Setting {
        let Demand { path, readers, end, .. } = *self.demand;
        let (mut limits, mut differing) = (Limits::of(self.profile.profile()), Vec::new());
        let mut set = |limit: &'static Limit, bytes: u64| {
            // Setting a limit fails only outside its range, and windows are clamped to the ranges.
            if limits.set(limit, LimitValue::Bytes(bytes)).is_ok() {
                differing.push((limit.flag, bytes));
            }
        };
        windows(self.protocol).iter().for_each(|limit| set(limit, window));
        let socket = path.in_flight().div_ceil(STEP).saturating_mul(STEP).min(window);
        if has_own_windows(self.protocol) && SOCKET_BUFFER.applies_to(self.protocol) {
            set(&SOCKET_BUFFER, socket.clamp(LEAST_WINDOW, most(&SOCKET_BUFFER)));
        }
        if self.profile == Buffers::Least && H1_BUFFER.applies_to(self.protocol) {
            set(&H1_BUFFER, LEAST_H1_BUFFER);
        }
        let mut case = Case::new(self.protocol.name);
        (case.connections, case.streams, case.sink) = (readers, 1, SinkKind::Discard);
        // A file as payload counts the memory that a program with files has for each chunk.
        case.payload = PayloadKind::File("body".into());
        case.limits = limits;
        // A protocol without flow control of its own leaves unread bytes to the sockets.
        let per_reader =
            if has_own_windows(self.protocol) { 0 } else { KERNEL_PER_BYTE.saturating_mul(socket) };
        let goodput = Renewal::of(self.protocol).goodput(path, window);
        Setting {
            window_bytes: window,
            limits: differing,
            profile: self.profile.profile().name(),
            process_bytes: Budget::of(&case, end).bytes(),
            kernel_bytes: per_reader.saturating_mul(readers.into()),
            goodput_bytes_per_s: goodput,
            share: goodput / path.bytes_per_s(),
        }
    }
}

/// Returns the limits that are windows of a protocol's flow control, or the socket buffer if the protocol has none.
fn windows(protocol: &Protocol) -> Vec<&'static Limit> {
    let own = [&H2_WINDOW, &QUIC_WINDOW, &QUIC_CONNECTION_WINDOW, &QUIC_SEND_WINDOW];
    let own: Vec<&'static Limit> = own.into_iter().filter(|limit| limit.applies_to(protocol)).collect();
    if own.is_empty() { vec![&SOCKET_BUFFER] } else { own }
}

fn has_own_windows(protocol: &Protocol) -> bool {
    windows(protocol).iter().any(|limit| limit.flag != SOCKET_BUFFER.flag)
}

/// Returns the largest value of a limit, in bytes.
fn most(limit: &Limit) -> u64 {
    match limit.domain {
        record::Domain::Bytes { most, .. } => most,
        record::Domain::Choice(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use record::PROTOCOLS;

    use super::*;

    fn demand(bits_per_s: u64, rtt_ms: u64, readers: u32, memory_mib: u64) -> Demand {
        let path = Path::new(bits_per_s as f64, Duration::from_millis(rtt_ms)).unwrap();
        Demand { path, readers, memory: ByteSize(memory_mib << 20), end: End::Receiver }
    }

    fn http() -> impl Iterator<Item = &'static Protocol> {
        PROTOCOLS.iter().filter(|protocol| protocol.is_http())
    }

    #[test]
    fn a_setting_that_fits_fills_the_path_and_states_the_budget_of_its_case() {
        for protocol in http() {
            let demand = demand(1_000_000_000, 80, 2, 4096);
            let plan = plan(protocol, &demand);
            let best = plan.best.unwrap();
            assert!(best.share > 0.999, "{} {}", protocol.name, best.share);
            assert_eq!(best.window_bytes, plan.full.window_bytes);
            let mut case = Case::new(protocol.name);
            (case.connections, case.sink) = (2, SinkKind::Discard);
            for (flag, bytes) in &best.limits {
                let limit = record::LIMITS.iter().find(|limit| limit.flag == *flag).unwrap();
                case.limits.set(limit, LimitValue::Bytes(*bytes)).unwrap();
            }
            assert_eq!(Budget::of(&case, End::Receiver).bytes(), best.process_bytes, "{}", protocol.name);
        }
    }

    #[test]
    fn less_memory_never_fills_more_of_the_path_and_is_never_exceeded() {
        for end in End::ALL {
            for protocol in http() {
                let mut last = 0.0;
                for mib in [16, 64, 128, 256, 512, 1024, 4096, 16_384, 65_536] {
                    let demand = Demand { end, ..demand(1_000_000_000, 80, 500, mib) };
                    let plan = plan(protocol, &demand);
                    match plan.best {
                        Some(best) => {
                            assert!(
                                best.memory_bytes() <= mib << 20 && best.share >= last,
                                "{}",
                                protocol.name
                            );
                            last = best.share;
                        }
                        None => {
                            assert!(plan.least_memory_bytes > mib << 20 && last == 0.0, "{}", protocol.name)
                        }
                    }
                }
                assert!(last > 0.999, "{} fits at last: {last}", protocol.name);
            }
        }
    }

    #[test]
    fn the_next_larger_window_would_not_fit() {
        for protocol in http() {
            let demand = demand(1_000_000_000, 80, 500, 512);
            let Some(best) = plan(protocol, &demand).best.filter(|best| best.share < 0.999) else { continue };
            for buffers in Buffers::ALL {
                let step = Renewal::of(protocol).step().max(STEP);
                let next =
                    Candidate { protocol, demand: &demand, profile: buffers }.with(best.window_bytes + step);
                assert!(next.memory_bytes() > 512 << 20, "{} {buffers:?}", protocol.name);
            }
        }
    }

    #[test]
    fn a_path_beyond_the_largest_window_is_filled_in_part() {
        let demand = demand(400_000_000_000, 200, 1, 1 << 20);
        for protocol in http() {
            let full = plan(protocol, &demand).full;
            assert!(full.share < 0.6, "{} {}", protocol.name, full.share);
        }
    }
}
