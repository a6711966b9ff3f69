//! The list of commands, in groups.

use clap::Command;

use crate::flags::values::distinct;

/// The commands of each group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Measure on this machine", &["bench", "prove", "doctor", "peers", "plan"]),
    ("Test a program of yours", &["prove", "conform"]),
    ("Transfer", &["serve", "send", "fetch"]),
    ("Judge records", &["report", "compare", "check", "reproduce", "merge"]),
    ("Help", &["help", "man", "completions", "schema", "licenses"]),
];

/// Returns the names of all commands, each once.
pub(super) fn names() -> Vec<&'static str> {
    distinct(GROUPS.iter().flat_map(|(_, names)| names.iter().copied()))
}

/// Lists the commands in groups, in the place of clap's one list.
pub(super) fn arrange(command: Command) -> Command {
    let about = |name: &str| {
        let command = command.find_subcommand(name);
        command.and_then(Command::get_about).map(ToString::to_string).unwrap_or_default()
    };
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text += &format!("\n{heading}:\n");
        for name in *names {
            let about = about(name);
            text += &format!("  {name:<11}  {}\n", about.trim_end_matches('.'));
        }
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{text}\nOptions:\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::definition;

    #[test]
    fn every_command_is_in_a_group() {
        for command in definition().get_subcommands() {
            let name = command.get_name();
            assert!(names().contains(&name), "{name}");
        }
    }
}
