//! Emulated networks between the two ends of a run: what was asked for, and what was measured.

mod measured;
mod preset;
mod spec;

pub use measured::{DirectionCount, NetworkRecord, RelayResources};
pub use preset::PRESETS;
pub use spec::{NetworkSpec, NetworkSpecError, RelayKind};
