//! The binary itself.

use super::{Concerns, Finding};
use crate::build::Build;

pub(super) fn profile() -> Finding {
    let (name, build) = ("build", Build::this());
    if build.is_release() {
        return Finding::good(name, build.profile);
    }
    let cost = "measures itself instead of the protocols, several times too slow";
    Finding::bad(name, build.profile, Concerns::All, cost, "cargo build --release")
}
