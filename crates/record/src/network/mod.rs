//! Emulated networks between the two ends of a run: their description, and their measurements.

mod measured;
mod preset;
mod spec;

pub use measured::{DirectionCount, NetworkRecord, RelayResources};
pub use preset::PRESETS;
pub use spec::{NetworkSpec, NetworkSpecError, RelayKind};
