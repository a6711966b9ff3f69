//! The search for the program of a peer on this machine.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use record::printable;

use crate::environment::Environment;

/// The longest quoted version, in characters.
const QUOTED: usize = 60;

/// A program that is installed on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// The file of the program.
    pub path: PathBuf,
    /// The version that the program states, if it states one.
    pub version: Option<String>,
}

/// Looks for the program that a command line begins with, in the environment of its runs. `None` without such a program, and if the command line fails.
pub(super) fn stating_version(command: &[&str]) -> Option<Installed> {
    let (program, arguments) = command.split_first()?;
    let path = find(program)?;
    let mut command = Command::new(&path);
    Environment::Fixed.apply(&mut command);
    let output = command.args(arguments).stdin(Stdio::null()).output().ok()?;
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let line = texts.iter().flat_map(|text| text.lines()).find(|line| !line.trim().is_empty());
    let version = line.map(|line| printable(line.trim()).chars().take(QUOTED).collect());
    output.status.success().then_some(Installed { path, version })
}

/// The word that stands for the running program in ready-made command lines.
pub(super) const OWN: &str = "{longhaul}";

/// Looks for a program as a shell does: by its path, or in the folders of `PATH`. [`OWN`] is the running program.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    if program == OWN {
        return env::current_exe().ok();
    }
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| is_executable(path));
    }
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_path_and_states_its_version_or_is_missing() {
        let found = stating_version(&["sh", "-c", "echo; echo one 1.0; echo more"]).unwrap();
        assert!(found.path.ends_with("sh"), "{found:?}");
        assert_eq!(found.version.as_deref(), Some("one 1.0"));
        let on_stderr = stating_version(&["sh", "-c", "echo two 2.0 >&2"]).unwrap();
        assert_eq!(on_stderr.version.as_deref(), Some("two 2.0"));
        assert_eq!(stating_version(&["sh", "-c", "exit 1"]), None, "a module is missing");
        assert_eq!(stating_version(&["no-such-program"]), None);
        assert!(find("/bin/sh").is_some() && find("/etc/passwd").is_none());
    }
}
