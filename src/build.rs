//! The build of this program, as its records state it.

use std::{fmt::Write as _, sync::LazyLock};

use record::Build;

/// Returns the build of this program.
pub(crate) fn this_build() -> Build {
    let versions = env!("LONGHAUL_VERSIONS").split(' ').filter_map(|entry| entry.split_once('='));
    let mut build = Build::default();
    build.version = env!("CARGO_PKG_VERSION").into();
    build.commit = option_env!("LONGHAUL_COMMIT").map(str::to_owned);
    build.profile = env!("LONGHAUL_PROFILE").into();
    build.allocator = allocator::description();
    build.versions = versions.map(|(name, version)| (name.into(), version.into())).collect();
    build
}

/// Returns the version with the facts of the build that decide its figures, in lines. The first line is the version.
pub(crate) fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let Build { version, commit, profile, allocator, versions, .. } = this_build();
        let commit = commit.as_deref().unwrap_or("unknown");
        let mut text =
            format!("{version}\ncommit: {commit}\nprofile: {profile}\nallocator: {allocator}\nlibraries:");
        for (name, version) in versions {
            // Writing to a string never fails.
            let _ = write!(text, "\n  {name} {version}");
        }
        text
    });
    &TEXT
}
