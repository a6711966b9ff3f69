//! The diagnoses of the build of this program: its profile and its allocator.

use record::Build;

use super::{Affects, Diagnosis};

pub(super) fn profile(build: &Build) -> Diagnosis {
    let name = "build";
    if build.is_release() {
        return Diagnosis::good(name, &build.profile);
    }
    let cost = "figures show the unoptimised program instead of the protocols, several times too slow";
    let said = format!("the program is a {} build", build.profile);
    Diagnosis::bad(name, &build.profile, cost, "cargo build --release").warning(
        Affects::All,
        said,
        "figures of the unoptimised program, several times too slow",
    )
}

/// Diagnoses the allocator, whose settings in force `build` states. Settings differ from those compiled in if the
/// environment or a file of jemalloc overrides them, or if the program was built with another allocator.
pub(super) fn allocator(build: &Build, settings: &str) -> Diagnosis {
    let name = "allocator";
    let in_force = build.allocator.as_str();
    if let Some(library) = in_force.strip_suffix(settings) {
        return Diagnosis::good(name, format!("{}, with longhaul's settings", library.trim_end()));
    }
    let library = in_force.split(' ').next().unwrap_or(in_force);
    let seen = match differing(in_force, settings) {
        differing if library == "jemalloc" && !differing.is_empty() => format!("{library} with {differing}"),
        _ => in_force.to_owned(),
    };
    let cost = "peak RSS and goodput are those of another allocator, and budgets may not hold";
    let remedy = match library {
        "jemalloc" => "unset _RJEM_MALLOC_CONF; remove /etc/_rjem_malloc.conf",
        _ => "build without --features system-allocator",
    };
    let said = format!("the allocator is not the one that longhaul is made for ({seen})");
    let expect = "other figures of memory and speed, which may exceed their budgets";
    Diagnosis::bad(name, seen, cost, remedy).warning(Affects::All, said, expect)
}

/// Returns the settings in force that are not among `expected`, each with the expected one: "narenas:2 for narenas:1".
fn differing(in_force: &str, expected: &str) -> String {
    let settings = in_force.rsplit(' ').next().unwrap_or_default().split(',');
    let other = settings.filter(|setting| !expected.split(',').any(|expected| expected == *setting));
    let of_name = |name: &str| expected.split(',').find(|setting| setting.split(':').next() == Some(name));
    let text = |setting: &str| match setting.split(':').next().and_then(of_name) {
        Some(expected) => format!("{setting} for {expected}"),
        None => setting.to_owned(),
    };
    other.map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_allocator_or_other_settings_are_a_problem() {
        let of = |in_force: &str| {
            let mut build = Build::default();
            build.allocator = in_force.into();
            allocator(&build, "narenas:1,thp:never")
        };
        let good = of("jemalloc 5.3.1 narenas:1,thp:never");
        assert!(good.problem.is_none() && good.observed == "jemalloc 5.3.1, with longhaul's settings");
        let other = of("jemalloc 5.3.1 narenas:2,thp:never");
        assert_eq!(other.observed, "jemalloc with narenas:2 for narenas:1");
        assert!(other.problem.unwrap().remedy.contains("_RJEM_MALLOC_CONF"));
        let system = of("system");
        assert_eq!(system.observed, "system");
        assert!(system.problem.unwrap().remedy.contains("system-allocator"));
    }
}
