//! One TCP congestion controller for all programs of a study: the default of a separate network namespace.
//!
//! Programs such as curl, nginx and `longhaul send` use the kernel's default. If that is BBR, its pacing determines
//! their goodput. On loopback, BBR estimates either a high or a low rate, depending on the sizes of the writes.

use std::{ffi::OsStr, process::Command};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

/// The commands in the new namespace: `$0` is the controller, and the arguments are the program with its own.
const SETTLE: &str =
    "ip link set lo up && sysctl -q -w net.ipv4.tcp_congestion_control=\"$0\" && exec \"$@\"";

/// The congestion controller of the programs that a study runs.
#[derive(Args)]
pub(crate) struct CongestionOptions {
    /// TCP congestion controller of every program, as the default of an own network namespace [default: the kernel's]
    ///
    /// Without root, only a controller of net.ipv4.tcp_allowed_congestion_control can be set.
    #[arg(long, value_name = "NAME")]
    congestion: Option<String>,
}

impl CongestionOptions {
    /// Returns the words before a command line that start a program with this controller. There are none for the
    /// kernel's default.
    ///
    /// # Errors
    /// Fails if the kernel refuses the namespace or the controller.
    pub(crate) fn words(&self) -> Result<Vec<String>> {
        let Some(controller) = &self.congestion else { return Ok(Vec::new()) };
        let words = words(controller, is_root());
        let tried = command(&words, "true").output().context("cannot start unshare")?;
        let reason = String::from_utf8_lossy(&tried.stderr);
        ensure!(tried.status.success(), "no network namespace with {controller}: {}", reason.trim());
        Ok(words)
    }
}

fn words(controller: &str, is_root: bool) -> Vec<String> {
    let user = if is_root { &[][..] } else { &["--map-root-user"] };
    let before = ["unshare", "--net"].iter().chain(user).chain(&["--", "sh", "-c", SETTLE]);
    before.map(|word| (*word).to_owned()).chain([controller.to_owned()]).collect()
}

/// Returns the command of `program`, started by `words`.
pub(super) fn command(words: &[String], program: impl AsRef<OsStr>) -> Command {
    match words.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the words of a command.
    fn text(command: &Command) -> Vec<String> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_program_without_a_controller_is_started_as_it_is() {
        assert_eq!(text(&command(&[], "longhaul")), ["longhaul"]);
    }

    #[test]
    fn the_controller_and_the_program_are_the_words_of_the_shell() {
        let started = text(&command(&words("reno", false), "longhaul"));
        assert_eq!(started[..3], ["unshare", "--net", "--map-root-user"]);
        assert_eq!(started[started.len() - 3..], [SETTLE, "reno", "longhaul"]);
        assert!(!words("reno", true).contains(&"--map-root-user".to_owned()));
    }

    #[test]
    fn an_unknown_controller_is_refused_before_the_study_begins() {
        let options = CongestionOptions { congestion: Some("none-such".into()) };
        assert!(options.words().is_err());
        assert!(CongestionOptions { congestion: None }.words().unwrap().is_empty());
    }
}
