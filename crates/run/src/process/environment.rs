//! The environment of worker processes: fixed, so that no figure depends on the shell that started a session.

use tokio::process::Command;

/// The variables of a worker. Programs that a test uses as workers need a search path.
const FIXED: [(&str, &str); 2] = [("LANG", "C"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

/// The variables that a worker inherits. jemalloc's settings are stated by every record (`build.allocator`), as the
/// session's own process has them.
const INHERITED: [&str; 1] = ["_RJEM_MALLOC_CONF"];

/// Gives a worker its environment and nothing of the session's own: the size of an environment moves the stack, and
/// variables such as LD_PRELOAD change what is measured.
pub(super) fn fix(command: &mut Command) {
    command.env_clear().envs(FIXED);
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}
