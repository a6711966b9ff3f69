//! The environment of worker processes: fixed, so that no figure depends on the shell that started a session.

use tokio::process::Command;

/// The variables with fixed values. PATH is for programs that a test uses as workers.
const FIXED: [(&str, &str); 2] = [("LANG", "C"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

/// The variables that a worker inherits. Every record states jemalloc's settings (`build.allocator`), as the session's
/// own process has them.
const INHERITED: [&str; 1] = ["_RJEM_MALLOC_CONF"];

/// Gives a worker the fixed environment, without the other variables of the session. The size of an environment moves
/// the stack, and variables such as LD_PRELOAD change the measured program.
pub(super) fn fix(command: &mut Command) {
    command.env_clear().envs(FIXED);
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}
