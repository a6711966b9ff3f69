//! The file descriptors of the relay's process. A connection takes several.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::io::Errno;

/// Raises the soft limit of file descriptors to the hard limit. Keeps it if the system refuses.
pub(crate) fn raise_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Returns whether `error` is a lack of file descriptors, in this process or in the system.
pub(crate) fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Returns the text of an error. If this process has no file descriptor left, the text states its limit and the remedy.
pub(crate) fn explained(error: &io::Error) -> String {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).ok().filter(|_| lacks_descriptors(error));
    limit.map_or_else(
        || error.to_string(),
        |(soft, _)| {
            format!(
                "the relay of the network has no file descriptor left of {soft}; use fewer connections, or raise the hard \
                 limit (ulimit -Hn)"
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_open_as_many_files_as_its_hard_limit_allows() {
        raise_limit();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }

    #[test]
    fn a_lack_of_descriptors_is_explained_with_the_limit() {
        let explained = |errno: Errno| explained(&errno.into());
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(
            explained(Errno::MFILE)
                .contains(&format!("no file descriptor left of {soft}; use fewer connections"))
        );
        assert!(explained(Errno::NOENT).starts_with("No such file"));
    }
}
