//! The facts of the host of the server's ends, which records state beside those of the client's host.

use record::{Build, Host, Warning};
use serde::{Deserialize, Serialize};

/// The facts of the host of the server's ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostFacts {
    /// The machine.
    pub host: Host,
    /// The build of the program on that machine.
    pub build: Build,
    /// The warnings about conditions of the machine that distort measurements.
    pub warnings: Vec<Warning>,
}

impl HostFacts {
    /// Returns the facts with all their texts in printable form, because another host states them.
    pub(crate) fn printable(self) -> Self {
        Self {
            host: self.host.printable(),
            build: self.build.printable(),
            warnings: self.warnings.into_iter().map(Warning::printable).collect(),
        }
    }

    /// Returns the name of the machine.
    pub fn name(&self) -> &str {
        self.host.name.as_deref().unwrap_or("the other host")
    }

    /// Returns the warnings of the machine, with its name in each.
    pub fn named_warnings(&self) -> impl Iterator<Item = Warning> {
        self.warnings.iter().map(|warning| {
            let Warning { name, observed, expect, .. } = warning;
            Warning::new(
                format!("{name} on {}", self.name()),
                format!("on {}, {observed}", self.name()),
                expect,
            )
        })
    }
}

/// Returns a warning if the programs on the two hosts are different builds. The warning names the facts that differ.
pub fn other_build(own: &Build, peer: &HostFacts) -> Option<Warning> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let other = &peer.build;
    let mut differing = vec![
        ("longhaul", own.version.clone(), other.version.clone()),
        ("commit", text(&own.commit), text(&other.commit)),
        ("profile", own.profile.clone(), other.profile.clone()),
        ("allocator", own.allocator.clone(), other.allocator.clone()),
    ];
    let libraries: std::collections::BTreeSet<_> =
        own.versions.keys().chain(other.versions.keys()).map(String::as_str).collect();
    let version = |build: &Build, name: &str| text(&build.versions.get(name).cloned());
    differing.extend(libraries.into_iter().map(|name| (name, version(own, name), version(other, name))));
    differing.retain(|(_, own, other)| own != other);
    let named = differing.iter().map(|(name, own, other)| format!("{name} {other} in place of {own}"));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| {
        let observed = format!("{} has another build: {}", peer.name(), named.join(", "));
        Warning::new("builds of the two hosts", observed, "figures of two different programs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str, hyper: &str) -> Build {
        let mut build = Build::default();
        build.version = version.into();
        build.versions.insert("hyper".into(), hyper.into());
        build
    }

    fn peer(build: Build) -> HostFacts {
        let mut peer = HostFacts { build, ..HostFacts::default() };
        peer.host.name = Some("b".into());
        peer
    }

    #[test]
    fn builds_that_differ_are_named_by_the_facts_that_differ() {
        assert_eq!(other_build(&build("1.0.0", "1.8"), &peer(build("1.0.0", "1.8"))), None);
        let warning = other_build(&build("1.0.0", "1.8"), &peer(build("1.1.0", "1.9"))).unwrap();
        assert_eq!(
            warning.observed,
            "b has another build: longhaul 1.1.0 in place of 1.0.0, hyper 1.9 in place of 1.8"
        );
        let mut without = build("1.0.0", "1.8");
        without.versions.clear();
        let warning = other_build(&build("1.0.0", "1.8"), &peer(without)).unwrap();
        assert_eq!(warning.observed, "b has another build: hyper unknown in place of 1.8");
    }

    #[test]
    fn warnings_of_the_other_host_name_it() {
        let mut peer = peer(Build::default());
        peer.warnings = vec![Warning::new("load", "other processes used 55 % of the CPU", "noise")];
        let warning = peer.named_warnings().next().unwrap();
        assert_eq!(warning.name, "load on b");
        assert_eq!(warning.to_string(), "on b, other processes used 55 % of the CPU. Expect noise.");
    }
}
