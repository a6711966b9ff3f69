//! The facts of a program that its command line records and prints.

use std::{
    fmt::Write as _,
    sync::{LazyLock, OnceLock},
};

use record::Build;

/// The facts that a program states of itself.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Returns the build, as records state it.
    pub build: fn() -> Build,
    /// The settings that the allocator is meant to have in force.
    pub allocator: &'static str,
    /// True if the allocator can trace allocations to their call sites.
    pub can_trace_heap: bool,
    /// The licence texts of all linked libraries.
    pub licences: &'static str,
}

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// Registers the program. Later calls change nothing.
pub(crate) fn register(program: Program) {
    PROGRAM.get_or_init(|| program);
}

/// Returns the program. Unit tests have none that states facts.
fn program() -> Program {
    *PROGRAM.get_or_init(|| Program {
        build: Build::default,
        allocator: "",
        can_trace_heap: false,
        licences: "",
    })
}

/// Returns the build of this program, as its records state it.
pub(crate) fn this_build() -> Build {
    (program().build)()
}

/// Returns the settings that this program's allocator is meant to have in force.
pub(crate) fn allocator_settings() -> &'static str {
    program().allocator
}

/// Returns whether this program's workers can name the call sites of their allocations.
pub(crate) fn can_trace_heap() -> bool {
    program().can_trace_heap
}

/// Returns the licence texts of all libraries that this program links.
pub(crate) fn licence_texts() -> &'static str {
    program().licences
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
