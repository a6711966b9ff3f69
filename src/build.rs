//! The build of this program, as its records state it.

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
