//! The environment of worker processes. It is fixed, so that no figure depends on the shell that started a session.

use tokio::process::Command;

/// The variables with fixed values. Workers that are shell scripts in tests need PATH.
const FIXED: [(&str, &str); 2] = [("LANG", "C"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

/// The variables that a worker inherits. Each record states the jemalloc settings in force in the session
/// (`build.allocator`), so the workers must have the same.
const INHERITED: [&str; 1] = ["_RJEM_MALLOC_CONF"];

/// Replaces the environment of a worker by the fixed one. The size of the environment shifts the stack, and variables
/// such as LD_PRELOAD change the measured program.
pub(super) fn fix(command: &mut Command) {
    command.env_clear().envs(FIXED);
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}
