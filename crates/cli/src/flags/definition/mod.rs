//! The parts of help that are not defined at the flags: groups, the defaults of each command, and further sections.

mod defaults;
mod groups;
mod overview;
mod sections;

use clap::{Command, builder::PossibleValuesParser};

pub(crate) use sections::{Section, sections};

/// Completes the definition of the program with defaults, groups and further sections.
pub(super) fn complete(command: Command) -> Command {
    let names = overview::names();
    let command = names.iter().fold(command, |command, name| command.mut_subcommand(name, complete_one));
    let command = ["help", "man"].into_iter().fold(command, |command, name| {
        let names = PossibleValuesParser::new(&names);
        command.mut_subcommand(name, |sub| {
            sub.mut_arg("command", |arg| arg.value_parser(names).hide_possible_values(true))
        })
    });
    overview::arrange(sections::append(command))
}

fn complete_one(command: Command) -> Command {
    sections::append(groups::arrange(defaults::state(command)))
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use crate::flags::definition;

    /// Returns the visible flags of a command, but those that every command has.
    fn flags(command: &str) -> Vec<Arg> {
        let mut definition = definition();
        definition.build();
        let command = definition.find_subcommand(command).unwrap().clone();
        let is_general =
            |arg: &&Arg| arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
        let is_own = |arg: &&Arg| !arg.is_hide_set() && !is_general(arg);
        command.get_arguments().filter(is_own).cloned().collect()
    }

    fn help(command: &str, flag: &str) -> String {
        let flags = flags(command);
        let flag = flags.iter().find(|arg| arg.get_long() == Some(flag)).unwrap();
        flag.get_help().unwrap().to_string()
    }

    #[test]
    fn every_flag_of_a_command_with_groups_is_in_one() {
        for command in ["bench", "prove", "reproduce", "serve", "send", "fetch", "conform"] {
            let stray: Vec<String> = flags(command)
                .iter()
                .filter(|arg| !arg.is_positional() && arg.get_help_heading().is_none())
                .map(|arg| arg.get_id().to_string())
                .collect();
            assert_eq!(stray, [""; 0], "{command}");
        }
    }

    #[test]
    fn the_defaults_of_a_command_are_its_own() {
        for (command, flag, default) in [
            ("bench", "chunk-size", "[default: 64KiB,1MiB]"),
            ("prove", "chunk-size", "[default: 4KiB,64KiB,1MiB; for a program of yours: 64KiB]"),
            ("bench", "rounds", "[default: 6"),
            ("prove", "rounds", "[default: 1; for a program of yours: 3]"),
            ("prove", "direction", "[default: both; for a program of yours: up]"),
            ("bench", "size", "[default: 2GiB"),
            ("serve", "listen", "[default: 127.0.0.1:8430"),
            ("bench", "quic-mtu", "[default: 1452B]"),
            ("send", "quic-mtu", "[default: auto]"),
            ("serve", "h2-frame", "[default: 64KiB]"),
        ] {
            let help = help(command, flag);
            assert!(help.contains(default), "{command} --{flag}: {help}");
        }
        assert!(help("bench", "protocol").contains("h1c, h2c, h1, h2, h3"));
    }

    #[test]
    fn the_short_help_of_a_command_fits_a_screen() {
        for command in ["bench", "prove", "serve", "send", "fetch"] {
            let mut definition = definition();
            definition.build();
            let text = definition.find_subcommand_mut(command).unwrap().render_help().to_string();
            let lines = text.lines().count();
            assert!(lines <= 55, "{command}: {lines} lines\n{text}");
        }
    }
}
