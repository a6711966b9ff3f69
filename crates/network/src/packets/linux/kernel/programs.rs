//! The programs that configure the kernel: `ip`, `tc` and `iptables`.

use std::{
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use crate::RelayFault;

/// The folders of programs for administrators, which the path of users may lack.
const FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// The failure of a program.
#[derive(Debug)]
pub(super) struct Refusal {
    program: &'static str,
    error: String,
    is_missing: bool,
}

impl Refusal {
    /// Returns whether the kernel has no queue of the kind that `tc` was told to attach.
    pub(super) fn is_of_unknown_kind(&self) -> bool {
        // Some kernels state no reason for an unknown kind. `tc` then prints the text of ENOENT.
        !self.is_missing
            && ["kind is unknown", "No such file or directory"].iter().any(|text| self.error.contains(text))
    }
}

impl From<Refusal> for RelayFault {
    fn from(Refusal { program, error, is_missing }: Refusal) -> Self {
        let package = if program.contains("tables") { "iptables" } else { "iproute2" };
        let message = if is_missing {
            format!(
                "the kernel's network needs '{program}', which cannot be started ({error}); install {package}"
            )
        } else {
            format!("the kernel's network is refused ({program}: {error})")
        };
        Self { message, is_unsupported: true }
    }
}

/// Runs a program with `arguments`, and returns its output.
///
/// # Errors
/// Fails if the program is missing or fails.
pub(super) fn run(program: &'static str, arguments: &[&str]) -> Result<String, Refusal> {
    finish(program, command(program).args(arguments).stdin(Stdio::null()).output())
}

/// Runs a program of iproute2 with several commands, one on each line.
///
/// # Errors
/// Fails if the program is missing or fails.
pub(super) fn batch(program: &'static str, lines: &[String]) -> Result<String, Refusal> {
    let start = || {
        let mut child = command(program)
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A program that has failed reads no further, and states the reason in its output.
            let _ = input.write_all((lines.join("\n") + "\n").as_bytes());
        }
        child.wait_with_output()
    };
    finish(program, start())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // The rules of this process's own namespace need no lock. The usual lock file can be opened by root only.
    command.env("PATH", FOLDERS).env("XTABLES_LOCKFILE", "/dev/null");
    command
}

fn finish(program: &'static str, outcome: io::Result<Output>) -> Result<String, Refusal> {
    let refuse = |error, is_missing| Refusal { program, error, is_missing };
    let output = outcome.map_err(|error| refuse(error.to_string(), true))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = errors.lines().find(|line| !line.trim().is_empty());
    Err(refuse(first.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned()), false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = RelayFault::from(run("longhaul-no-tables", &[]).unwrap_err());
        assert!(missing.is_unsupported && missing.message.ends_with("install iptables"), "{missing}");
    }

    #[test]
    fn a_refusal_is_told_with_the_first_words_of_the_program() {
        let refusal =
            run("sh", &["-c", "echo 'Error: Specified qdisc kind is unknown.' >&2; exit 2"]).unwrap_err();
        assert!(refusal.is_of_unknown_kind());
        let fault = RelayFault::from(refusal);
        let expected = "the kernel's network is refused (sh: Error: Specified qdisc kind is unknown.)";
        assert_eq!(fault.message, expected);
        assert!(!run("false", &[]).unwrap_err().is_of_unknown_kind());
    }
}
