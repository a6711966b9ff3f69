//! The diagnosis of the build of this program.

use record::Build;

use super::{Affects, Diagnosis};

pub(super) fn diagnosis(build: &Build) -> Diagnosis {
    let name = "build";
    if build.is_release() {
        return Diagnosis::good(name, &build.profile);
    }
    let cost = "figures show the unoptimised program instead of the protocols, several times too slow";
    Diagnosis::bad(name, &build.profile, Affects::All, cost, "cargo build --release")
}
