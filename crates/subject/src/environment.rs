//! The environment of programs that longhaul starts.

use std::{env, process::Command};

/// The variable with a fixed value: messages are in English.
const FIXED: (&str, &str) = ("LANG", "C");

/// The variables that a [fixed](Environment::Fixed) environment inherits, by which programs find each other, their
/// libraries and their modules.
const INHERITED: [&str; 5] = ["HOME", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR"];

/// The environment of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    /// The environment of this process.
    Inherited,
    /// A few variables only. Others change the figures of the program, such as proxies (`http_proxy`), secrets of TLS
    /// that are written to a file (`SSLKEYLOGFILE`), LD_PRELOAD and GODEBUG.
    Fixed,
}

impl Environment {
    /// Gives a program this environment.
    pub(crate) fn apply(self, command: &mut Command) {
        if self == Self::Inherited {
            return;
        }
        command.env_clear().envs([FIXED]);
        command.envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_environment_has_no_other_variables_than_the_stated_ones() {
        let names = |environment: Environment| {
            let mut command = Command::new("env");
            environment.apply(&mut command);
            let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
            let names = printed.lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned()));
            names.collect::<Vec<_>>()
        };
        let is_cargos = |name: &String| name.starts_with("CARGO");
        assert!(names(Environment::Inherited).iter().any(is_cargos));
        let fixed = names(Environment::Fixed);
        assert!(fixed.iter().any(|name| name == "PATH"), "{fixed:?}");
        let is_stated = |name: &String| name == FIXED.0 || INHERITED.contains(&name.as_str());
        assert!(fixed.iter().all(is_stated), "{fixed:?}");
    }
}
